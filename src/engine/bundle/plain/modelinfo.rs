// SPDX-License-Identifier: MPL-2.0

//! The `.modelinfo` file beside an ONNX file, as GStreamer's analytics library reads it: one section for each tensor,
//! and in that of the input the range of its numbers.
//!
//! Source: the documentation of GstAnalyticsModelInfo, GStreamer 1.28.

use std::{
    collections::HashMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use configparser::ini::{Ini, IniDefault};

use super::{
    conventions::{COLOURS, Range},
    format::ModelFormat,
    ports::{Port, Ports},
};
use crate::engine::regular_file;

/// The section that is no tensor's, and the major version that is read.
const HEADER: &str = "modelinfo";
const MAJOR_VERSION: &str = "1";

/// The largest file, in bytes.
const LARGEST: u64 = 1 << 20;

const ENDING: &str = ".modelinfo";

type Section = HashMap<String, Option<String>>;

/// Reads the file that belongs to a model: its name with `.modelinfo` after it, or in the place of its ending. Returns
/// `None` if there is none.
///
/// # Errors
/// One that cannot be read, with its name.
pub(in crate::engine::bundle) fn read(model: &Path) -> Result<Option<String>, String> {
    let after = |path: &Path| {
        let mut name = OsString::from(path);
        name.push(ENDING);
        PathBuf::from(name)
    };
    for path in [after(model), after(&model.with_extension(""))] {
        let failed = |reason: &dyn std::fmt::Display| format!("'{}' cannot be read: {reason}", path.display());
        return match regular_file::read(&path, LARGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Err(failed(&error)),
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| failed(&error)),
        };
    }
    Ok(None)
}

/// Returns what the text of such a file tells of a network.
///
/// # Errors
/// A file that is of another model, or damaged, and what to do.
pub(super) fn parse(text: &str, ports: &Ports) -> Result<ModelFormat, String> {
    let mut ini = Ini::new_from_defaults(key_file());
    let mut sections = ini
        .read(text.to_owned())
        .map_err(|error| format!("its .modelinfo file is damaged: {error}; make it again"))?;
    let header = sections.remove(HEADER);
    let version = header.as_ref().and_then(|header| value(header, "version"));
    if version.and_then(|version| version.split('.').next()) != Some(MAJOR_VERSION) {
        return Err(format!(
            "its .modelinfo file has no [{HEADER}] with version={MAJOR_VERSION}.x; make it again with GStreamer's modelinfo-generator"
        ));
    }
    let range = |port: &Port, direction: &str| match section(&sections, port, direction) {
        Some(section) => range(section, port),
        None => Ok(None),
    };
    Ok(ModelFormat {
        input: range(&ports.input, "input")?,
        output: range(&ports.output, "output")?,
        ..ModelFormat::default()
    })
}

/// The syntax of GLib's key files.
fn key_file() -> IniDefault {
    let mut syntax = IniDefault::default();
    syntax.comment_symbols = vec!['#'];
    // A range has semicolons.
    syntax.inline_comment_symbols = Some(Vec::new());
    syntax.delimiters = vec!['='];
    syntax.case_sensitive = true;
    syntax
}

fn value<'a>(section: &'a Section, key: &str) -> Option<&'a str> {
    section.get(key)?.as_deref()
}

/// Returns the section of the name of a tensor, or else the only one of its direction.
fn section<'a>(sections: &'a HashMap<String, Section>, port: &Port, direction: &str) -> Option<&'a Section> {
    sections.get(&port.name).or_else(|| {
        let mut of_direction = sections
            .values()
            .filter(|section| value(section, "dir") == Some(direction));
        let first = of_direction.next()?;
        of_direction.next().is_none().then_some(first)
    })
}

/// Returns the range that a section states, if it states one.
fn range(section: &Section, port: &Port) -> Result<Option<Range>, String> {
    let refused = |what: &str| {
        format!("its .modelinfo file says {what} of {port}; correct the file, or take it away to have the model tried")
    };
    if let Some(element) = value(section, "type").filter(|element| *element != port.element_name()) {
        return Err(refused(&format!("type={element}")));
    }
    if let Some(dims) = value(section, "dims").filter(|dims| !agree(dims, port)) {
        return Err(refused(&format!("dims={dims}")));
    }
    let Some(text) = value(section, "ranges") else {
        return Ok(None);
    };
    let range = parse_range(text).ok_or_else(|| refused(&format!("ranges={text}")))?;
    Ok(Some(range))
}

/// Whether dimensions agree with those of a tensor. Those that are not known agree with all.
fn agree(stated: &str, port: &Port) -> bool {
    let Some(dims) = &port.dims else { return true };
    let stated: Option<Vec<i64>> = stated.split(',').map(|side| side.trim().parse().ok()).collect();
    stated.is_some_and(|stated| {
        let agrees = |(stated, dim): (&i64, &Option<i64>)| *stated < 0 || dim.is_none_or(|dim| dim == *stated);
        stated.len() == dims.len() && stated.iter().zip(dims).all(agrees)
    })
}

/// Returns the range of one pair of numbers for all channels, or of one for each.
fn parse_range(text: &str) -> Option<Range> {
    let pairs: Option<Vec<[f32; 2]>> = text
        .split(';')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| {
            let (black, white) = pair.split_once(',')?;
            Some([black.trim().parse().ok()?, white.trim().parse().ok()?])
        })
        .collect();
    let pairs: [[f32; 2]; COLOURS] = match pairs?[..] {
        [all] => [all; COLOURS],
        [first, second, third] => [first, second, third],
        _ => return None,
    };
    let range = Range {
        black: pairs.map(|[black, _]| black),
        white: pairs.map(|[_, white]| white),
    };
    range.is_usable().then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_one_pair_or_one_for_each_channel() {
        assert_eq!(parse_range("-1.0,1.0"), Some(Range::SIGNED));
        assert_eq!(parse_range("0.0,255.0;0.0,255.0;0.0,255.0"), Some(Range::BYTES));
        assert_eq!(
            parse_range("0,1; 0,2; -1,1;").map(|range| range.white),
            Some([1.0, 2.0, 1.0])
        );
        for wrong in ["", "1,0", "0", "0,1;0,1", "0,nan", "0,1;0,1;0,1;0,1"] {
            assert_eq!(parse_range(wrong), None, "{wrong}");
        }
    }
}

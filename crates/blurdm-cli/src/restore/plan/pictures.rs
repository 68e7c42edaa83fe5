// SPDX-License-Identifier: MPL-2.0

//! Numbered pictures that are the frames of a clip, as programs that render or decode write them: `frame_00001.png`, `frame_00002.png`.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashSet},
    ffi::{OsStr, OsString},
    ops::Range,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The least number of pictures that are a clip. A picture on its own beside videos is a cover.
const FEWEST: usize = 2;

/// Pictures of one folder whose names differ in one number only, in its order; or one picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureRun {
    folder: PathBuf,
    prefix: OsString,
    /// As they are written. One empty number for a picture on its own.
    numbers: Vec<String>,
    suffix: OsString,
}

impl PictureRun {
    /// Returns a picture that is restored on its own.
    pub fn single(path: &Path) -> Self {
        Self {
            folder: path.parent().map(Path::to_owned).unwrap_or_default(),
            prefix: path.file_name().unwrap_or_default().to_owned(),
            numbers: vec![String::new()],
            suffix: OsString::new(),
        }
    }

    /// Whether it is one picture, which was named itself.
    pub fn is_single(&self) -> bool {
        matches!(self.numbers.as_slice(), [only] if only.is_empty())
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Returns the name of a picture.
    pub fn name(&self, index: usize) -> OsString {
        let mut name = self.prefix.clone();
        name.push(self.numbers.get(index).map_or("", String::as_str));
        name.push(&self.suffix);
        name
    }

    /// Returns the path of a picture.
    pub fn path(&self, index: usize) -> PathBuf {
        self.folder.join(self.name(index))
    }

    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.len()).map(|index| self.path(index))
    }

    /// Returns the name of all: `frame_%05d.png`, as other programs write it, or the name of a single picture.
    pub fn pattern(&self) -> OsString {
        if self.is_single() {
            return self.name(0);
        }
        let width = self.numbers.first().map_or(0, String::len);
        let is_padded = width > 1 && self.numbers.iter().all(|number| number.len() == width);
        let mut pattern = self.prefix.clone();
        pattern.push(if is_padded { format!("%0{width}d") } else { "%d".into() });
        pattern.push(&self.suffix);
        pattern
    }

    /// Returns where a picture is written, if `output` is the output of all.
    pub fn output(&self, output: &Path, index: usize) -> PathBuf {
        if self.is_single() {
            return output.to_owned();
        }
        output.with_file_name(self.name(index))
    }

    pub fn outputs(&self, output: &Path) -> Vec<PathBuf> {
        (0..self.len()).map(|index| self.output(output, index)).collect()
    }

    /// Returns the number of a picture. `None` for a single picture and for more than 38 digits.
    pub fn number(&self, index: usize) -> Option<u128> {
        self.numbers.get(index)?.parse().ok()
    }

    /// Whether a picture follows the one before it without a gap, where neighbours differ by [`PictureRun::step`].
    pub fn follows(&self, index: usize, step: u128) -> bool {
        let before = index.checked_sub(1).and_then(|before| self.number(before));
        before
            .zip(self.number(index))
            .is_some_and(|(before, number)| number.checked_sub(before) == Some(step))
    }

    /// Returns a sentence about the numbers that have no picture, if there are any.
    pub fn missing(&self) -> Option<String> {
        let step = self.step();
        let numbers = (0..self.len()).filter_map(|index| self.number(index));
        let numbers: Vec<u128> = numbers.collect();
        let gaps: Vec<Range<u128>> = numbers
            .windows(2)
            .filter(|pair| pair[1] - pair[0] > step)
            .map(|pair| pair[0] + 1..pair[1])
            .collect();
        let first = gaps.first()?;
        let missing: u128 = gaps.iter().map(|gap| gap.end - gap.start).sum();
        let span = |gap: &Range<u128>| match gap.end - gap.start {
            1 => format!("number {} has", gap.start),
            _ => format!("the numbers {} to {} have", gap.start, gap.end - 1),
        };
        Some(match gaps.len() {
            1 => format!("{} no picture; the others are all restored", span(first)),
            more => format!(
                "{missing} numbers in {more} gaps have no picture, the first from {} on; the others are all restored",
                first.start
            ),
        })
    }

    /// Returns what the numbers of neighbours differ by: of every tenth frame, ten.
    pub fn step(&self) -> u128 {
        let numbers: Vec<u128> = (0..self.len()).filter_map(|index| self.number(index)).collect();
        let mut steps = numbers.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        let first = steps.next().unwrap_or(1).max(1);
        if steps.all(|step| step == first) { first } else { 1 }
    }
}

/// Finds the runs among the pictures of one folder. Returns them, and the pictures that belong to none.
///
/// Names of one run have the same text and one number that changes: of several numbers in the names that which has most values, and the last of these.
pub fn group(pictures: &[PathBuf]) -> (Vec<PictureRun>, Vec<PathBuf>) {
    let mut alike: BTreeMap<Vec<u8>, Vec<Named>> = BTreeMap::new();
    for picture in pictures {
        let named = Named::new(picture);
        alike.entry(named.text()).or_default().push(named);
    }
    let (mut runs, mut rest) = (Vec::new(), Vec::new());
    for pictures in alike.values() {
        for found in divided(pictures) {
            match found.as_slice() {
                [(first, _), ..] if found.len() >= FEWEST => runs.push(run_of(first, &found)),
                _ => rest.extend(found.iter().map(|(picture, _)| picture.path.to_owned())),
            }
        }
    }
    rest.sort();
    (runs, rest)
}

/// A picture, and where numbers are in its name, the extension left out.
struct Named<'a> {
    path: &'a Path,
    numbers: Vec<Range<usize>>,
}

impl<'a> Named<'a> {
    fn new(path: &'a Path) -> Self {
        let stem = path.file_stem().map(OsStr::as_bytes).unwrap_or_default();
        let mut numbers: Vec<Range<usize>> = Vec::new();
        for at in (0..stem.len()).filter(|&at| stem[at].is_ascii_digit()) {
            match numbers.last_mut() {
                Some(last) if last.end == at => last.end += 1,
                _ => numbers.push(at..at + 1),
            }
        }
        Self { path, numbers }
    }

    fn name(&self) -> &'a [u8] {
        self.path.file_name().map(OsStr::as_bytes).unwrap_or_default()
    }

    /// Returns the name with a zero byte, which no name has, in place of each number.
    fn text(&self) -> Vec<u8> {
        let (name, mut text, mut at) = (self.name(), Vec::new(), 0);
        for number in &self.numbers {
            text.extend(&name[at..number.start]);
            text.push(0);
            at = number.end;
        }
        text.extend(&name[at..]);
        text
    }

    /// Returns one of the numbers. Empty where the name has none.
    fn number(&self, which: usize) -> &'a [u8] {
        self.numbers
            .get(which)
            .map_or(&[], |number| &self.name()[number.clone()])
    }

    /// Returns what is before and after one of the numbers.
    fn around(&self, which: usize) -> (&'a [u8], &'a [u8]) {
        let name = self.name();
        self.numbers
            .get(which)
            .map_or((name, &[]), |number| (&name[..number.start], &name[number.end..]))
    }
}

/// Divides pictures whose names have the same text by the numbers that do not count them. Each comes with the place of the number that does.
fn divided<'a, 'b>(pictures: &'b [Named<'a>]) -> Vec<Vec<(&'b Named<'a>, usize)>> {
    let count = pictures.first().map_or(0, |picture| picture.numbers.len());
    let values = |which: usize| {
        let values = pictures.iter().map(|picture| picture.number(which));
        values.collect::<HashSet<_>>().len()
    };
    // The last of equal ones.
    let Some(counting) = (0..count).max_by_key(|&which| values(which)) else {
        return pictures.iter().map(|picture| vec![(picture, 0)]).collect();
    };
    let mut divided: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for picture in pictures {
        let alike = divided.entry(picture.around(counting)).or_default();
        alike.push((picture, counting));
    }
    divided.into_values().collect()
}

fn run_of(first: &Named, pictures: &[(&Named, usize)]) -> PictureRun {
    let number = |(picture, which): &(&Named, usize)| String::from_utf8_lossy(picture.number(*which)).into_owned();
    let mut numbers: Vec<String> = pictures.iter().map(number).collect();
    numbers.sort_by(|a, b| by_value(a, b));
    let (prefix, suffix) = first.around(pictures.first().map_or(0, |(_, which)| *which));
    PictureRun {
        folder: first.path.parent().map(Path::to_owned).unwrap_or_default(),
        prefix: OsString::from_vec(prefix.to_owned()),
        numbers,
        suffix: OsString::from_vec(suffix.to_owned()),
    }
}

/// Compares numbers of any length, and equal ones by their zeros.
fn by_value(a: &str, b: &str) -> Ordering {
    let (short, other) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    let by_length = short.len().cmp(&other.len());
    by_length.then_with(|| short.cmp(other)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(names: &[&str]) -> (Vec<(String, Vec<String>)>, Vec<String>) {
        let pictures: Vec<PathBuf> = names.iter().map(|name| Path::new("in").join(name)).collect();
        let (runs, rest) = group(&pictures);
        let names = |run: &PictureRun| {
            (0..run.len())
                .map(|index| run.name(index).to_string_lossy().into_owned())
                .collect()
        };
        let runs = runs
            .iter()
            .map(|run| (run.pattern().to_string_lossy().into_owned(), names(run)));
        let rest = rest.iter().filter_map(|path| path.file_name());
        (
            runs.collect(),
            rest.map(|name| name.to_string_lossy().into_owned()).collect(),
        )
    }

    fn patterns(names: &[&str]) -> Vec<String> {
        grouped(names).0.into_iter().map(|(pattern, _)| pattern).collect()
    }

    #[test]
    fn numbered_pictures_are_a_run_in_the_order_of_their_numbers() {
        let (runs, rest) = grouped(&["img10.png", "img9.png", "img1.png", "cover.png"]);
        assert_eq!(rest, ["cover.png"]);
        let names = ["img1.png", "img9.png", "img10.png"].map(String::from);
        assert_eq!(runs, [("img%d.png".into(), names.into())]);
        assert_eq!(patterns(&["000000.png", "000001.png"]), ["%06d.png"]);
        assert_eq!(patterns(&["DSC01234.JPG", "DSC01235.JPG"]), ["DSC%05d.JPG"]);
    }

    #[test]
    fn other_numbers_in_the_names_divide_runs_or_belong_to_the_text() {
        let takes = [
            "take1_01.png",
            "take1_02.png",
            "take1_03.png",
            "take2_01.png",
            "take2_02.png",
        ];
        assert_eq!(patterns(&takes), ["take1_%02d.png", "take2_%02d.png"]);
        assert_eq!(patterns(&["0001_v3.png", "0002_v3.png"]), ["%04d_v3.png"]);
        assert_eq!(patterns(&["s10_1.png", "s10_2.png"]), ["s10_%d.png"]);
    }

    #[test]
    fn one_picture_is_no_run_and_neither_are_pictures_of_different_kinds() {
        for names in [
            &["cover1.jpg"][..],
            &["front.jpg", "back.jpg"],
            &["a1.png", "a2.jpg"],
            &["a1.png", "b2.png"],
        ] {
            assert_eq!(patterns(names), Vec::<String>::new(), "{names:?}");
        }
    }

    #[test]
    fn gaps_are_told_and_a_constant_step_is_none() {
        let run = |numbers: &[&str]| {
            let pictures: Vec<PathBuf> = numbers
                .iter()
                .map(|number| format!("in/f{number}.png").into())
                .collect();
            group(&pictures).0.remove(0)
        };
        assert_eq!(run(&["1", "2", "3"]).missing(), None);
        assert_eq!(run(&["10", "20", "30"]).missing(), None);
        let gap = run(&["1", "2", "5", "6"]);
        assert!(
            gap.missing()
                .is_some_and(|missing| missing.starts_with("the numbers 3 to 4 have no picture"))
        );
        assert_eq!(
            [0, 1, 2, 3].map(|index| gap.follows(index, gap.step())),
            [false, true, false, true]
        );
        let one = run(&["1", "3", "4"]).missing();
        assert!(one.is_some_and(|missing| missing.starts_with("number 2 has no picture")));
        assert!(
            run(&["1", "3", "4", "9"])
                .missing()
                .is_some_and(|missing| missing.starts_with("5 numbers in 2 gaps"))
        );
    }

    #[test]
    fn names_may_have_any_bytes_and_numbers_any_length() {
        let name = |number: &str| {
            let mut name = b"in/\xff\xfe".to_vec();
            name.extend(number.as_bytes());
            PathBuf::from(OsString::from_vec(name))
        };
        let long = "9".repeat(50);
        let (runs, _) = group(&[name(&long), name("7"), name("08")]);
        assert_eq!(
            [runs[0].path(0), runs[0].path(1), runs[0].path(2)],
            [name("7"), name("08"), name(&long)]
        );
    }
}

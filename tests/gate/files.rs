// SPDX-License-Identifier: MPL-2.0

//! Files that are not regular.

use std::{
    os::unix::{fs::symlink, net::UnixListener},
    sync::mpsc,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::common::{
    HANG,
    bundle::{BACKBONE, Copy, ENCODER, MANIFEST, RESIDUALS},
    faults::{assert_names, one_error},
};

/// Asserts that a bundle is one error of the state change, within a time, that names the file.
fn assert_error(bundle: Copy, name: &str, parts: &[&str]) {
    let (sender, receiver) = mpsc::channel();
    let model = bundle.text().to_owned();
    std::thread::spawn(move || sender.send(one_error(&[("model", &model)])));
    let error = receiver.recv_timeout(HANG.into());
    let error = error.unwrap_or_else(|_| panic!("the state change with {name} did not return"));
    assert_names(&error, &[bundle.text(), name]);
    assert_names(&error, parts);
}

#[test]
fn a_fifo_is_refused_as_manifest_and_as_graph() {
    for name in [MANIFEST, BACKBONE, ENCODER] {
        let bundle = Copy::new();
        bundle.remove(name);
        mknodat(
            CWD,
            bundle.path().join(name),
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        assert_error(bundle, name, &["not a regular file"]);
    }
}

#[test]
fn a_folder_and_a_link_to_a_device_are_refused() {
    let bundle = Copy::new();
    bundle.remove(RESIDUALS);
    std::fs::create_dir(bundle.path().join(RESIDUALS)).unwrap();
    assert_error(bundle, RESIDUALS, &["not a regular file"]);
    let bundle = Copy::new();
    bundle.remove(BACKBONE);
    symlink("/dev/zero", bundle.path().join(BACKBONE)).unwrap();
    assert_error(bundle, BACKBONE, &["leaves the bundle's folder"]);
}

#[test]
fn a_socket_is_refused() {
    let bundle = Copy::new();
    bundle.remove(BACKBONE);
    let _listener = UnixListener::bind(bundle.path().join(BACKBONE)).unwrap();
    assert_error(bundle, BACKBONE, &[]);
}

#[test]
fn a_manifest_beyond_reason_is_refused_before_it_is_read() {
    let bundle = Copy::new();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(bundle.path().join(MANIFEST))
        .unwrap();
    // A sparse file: it takes no space.
    file.set_len(1 << 40).unwrap();
    assert_error(bundle, MANIFEST, &["more than 1048576 bytes"]);
}

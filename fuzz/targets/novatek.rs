// SPDX-License-Identifier: MPL-2.0

//! Positions of dash cams: whatever the file says, those that are read are on Earth.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let Ok(Some(track)) = dashcam_gps::novatek::read(&mut Cursor::new(file)) else {
        return;
    };
    for fix in track.fixes {
        assert!(fix.latitude.abs() <= 90.0 && fix.longitude.abs() <= 180.0, "{fix:?}");
        assert!(
            fix.speed.is_none_or(|speed| speed.is_finite() && speed >= 0.0),
            "{fix:?}"
        );
        assert!(
            fix.bearing.is_none_or(|bearing| (0.0..=360.0).contains(&bearing)),
            "{fix:?}"
        );
        assert!(fix.altitude.is_none_or(f64::is_finite), "{fix:?}");
    }
});

// SPDX-License-Identifier: MPL-2.0

use std::sync::LazyLock;

pub static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "blurdm-restore",
        gst::DebugColorFlags::empty(),
        Some("Restoring files with blurdm"),
    )
});

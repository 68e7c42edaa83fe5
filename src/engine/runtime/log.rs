// SPDX-License-Identifier: MPL-2.0

//! The receiver of ONNX Runtime's log. The runtime takes one logger for the life of the process, so that logger
//! forwards to a receiver that is set separately.

use once_cell::sync::OnceCell;
use ort::logging::LogLevel;

/// Receives a level, a code location and a message. It is called from any thread, while a graph runs, and must not
/// block.
pub type Receiver = fn(LogLevel, &str, &str);

static RECEIVER: OnceCell<Receiver> = OnceCell::new();

/// Sets the receiver of ONNX Runtime's messages. The first receiver stays; messages before it are lost.
pub fn set_receiver(receiver: Receiver) {
    RECEIVER.get_or_init(|| receiver);
}

/// Logs a warning of the engine itself.
pub(crate) fn warn(message: &str) {
    if let Some(receiver) = RECEIVER.get() {
        receiver(LogLevel::Warning, "blurdm", message);
    }
}

pub(super) fn forward(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    if let Some(receiver) = RECEIVER.get() {
        receiver(level, location, message);
    }
}

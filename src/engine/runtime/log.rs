// SPDX-License-Identifier: MPL-2.0

//! Where ONNX Runtime's log goes. The runtime takes one logger for the life of the process, so the receiver is exchangeable.

use once_cell::sync::OnceCell;
use ort::logging::LogLevel;

/// Receives a level, a code location and a message. Called from any thread, while a graph runs: it must not block.
pub type Receiver = fn(LogLevel, &str, &str);

static RECEIVER: OnceCell<Receiver> = OnceCell::new();

/// Names the receiver of ONNX Runtime's messages. The first one stays; before it there is silence.
pub fn set_receiver(receiver: Receiver) {
    RECEIVER.get_or_init(|| receiver);
}

/// A warning of the engine's own, into the same log.
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

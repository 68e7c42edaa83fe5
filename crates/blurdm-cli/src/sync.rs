// SPDX-License-Identifier: MPL-2.0

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose data is consistent after every statement, so that a panic in another thread does not matter.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

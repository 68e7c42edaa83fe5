// SPDX-License-Identifier: MPL-2.0

//! Buffers whose size a frame decides. One that does not fit in memory is an error, and does not end the process.

use std::collections::TryReserveError;

/// Returns a buffer of zeros.
///
/// # Errors
/// It does not fit in memory.
pub fn zeroed<T: Clone + Default>(length: usize) -> Result<Vec<T>, TryReserveError> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(length)?;
    buffer.resize(length, T::default());
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_does_not_fit_is_an_error() {
        assert_eq!(zeroed::<u32>(3), Ok(vec![0; 3]));
        assert!(zeroed::<u32>(usize::MAX / 8).is_err());
    }
}

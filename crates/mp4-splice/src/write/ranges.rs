// SPDX-License-Identifier: MPL-2.0

//! Arithmetic on ranges of bytes.

use std::ops::Range;

/// Returns the parts of `range` that none of `others` covers, which are ascending and do not overlap.
pub fn subtract(range: &Range<u64>, others: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut parts = Vec::new();
    let mut from = range.start;
    let first = others.partition_point(|other| other.end <= range.start);
    for other in others[first..].iter().take_while(|other| other.start < range.end) {
        if other.start > from {
            parts.push(from..other.start);
        }
        from = from.max(other.end);
    }
    if from < range.end {
        parts.push(from..range.end);
    }
    parts
}

/// Returns the same bytes as ascending ranges that do not overlap.
pub fn merge(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(range: Range<u64>) -> [Range<u64>; 1] {
        [range]
    }

    #[test]
    fn ranges_are_merged_and_subtracted_from_one_another() {
        assert_eq!(merge(vec![5..9, 0..2, 2..3, 6..7, 9..9]), [0..3, 5..9]);
        assert_eq!(subtract(&(0..10), &[2..3, 5..20]), [0..2, 3..5]);
        assert_eq!(subtract(&(4..10), &[0..4, 10..12]), one(4..10));
        assert_eq!(subtract(&(4..10), &one(0..12)), []);
    }
}

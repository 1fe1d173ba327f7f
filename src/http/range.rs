//! Range requests (RFC 9110 §14). The number of ranges is limited twice, before parsing and after coalescing, so that
//! no request costs more than a plain one.

use std::ops::Range;

/// A field with more ranges is ignored, as §14.2 allows; and one with more after coalescing.
const MAX_ASKED: usize = 256;
const MAX_PARTS: usize = 16;

/// The selected bytes, as positions with an exclusive end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The field is malformed, has another unit or too many ranges: it is ignored.
    Whole,
    /// Up to sixteen ranges in the order of the request, none empty, none touching another.
    Parts(Vec<Range<u64>>),
    /// No range has a byte in the representation: 416 (§15.5.17).
    Unsatisfiable,
}

/// Evaluates a `Range` field for a representation of `size` bytes.
/// An empty representation is always sent whole: for a player that asks for `bytes=0-`, an empty 200 is better than an
/// error.
pub fn select(field: &str, size: u64) -> Selection {
    // Units are case-insensitive (§14.1).
    let Some((unit, set)) = field.split_once('=') else { return Selection::Whole };
    let asked = set.bytes().filter(|&b| b == b',').count() + 1;
    if !unit.eq_ignore_ascii_case("bytes") || size == 0 || asked > MAX_ASKED {
        return Selection::Whole;
    }
    // Empty list elements are skipped (§5.6.1.2).
    let specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    match specs.map(|spec| within(spec, size)).collect::<Option<Vec<_>>>() {
        Some(ranges) if !ranges.is_empty() => match coalesce(ranges) {
            none if none.is_empty() => Selection::Unsatisfiable,
            parts if parts.len() <= MAX_PARTS => Selection::Parts(parts),
            _ => Selection::Whole,
        },
        _ => Selection::Whole,
    }
}

/// The part within `size` bytes of one range-spec (§14.1.1), which may be empty. Positions beyond `u64` saturate.
fn within(spec: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        return Some(size.saturating_sub(position(last)?)..size);
    }
    let first = position(first)?;
    let last = if last.is_empty() { u64::MAX } else { position(last)? };
    (first <= last).then_some(first..last.saturating_add(1).min(size))
}

fn position(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Drops empty ranges, coalesces those that overlap or touch, and keeps the order of the request (§15.3.7.2).
fn coalesce(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut by_start: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).enumerate().collect();
    by_start.sort_by_key(|(_, range)| range.start);
    let mut merged: Vec<(usize, Range<u64>)> = Vec::with_capacity(by_start.len());
    for (asked, range) in by_start {
        match merged.last_mut() {
            Some((first_asked, last)) if range.start <= last.end => {
                last.end = last.end.max(range.end);
                *first_asked = asked.min(*first_asked);
            }
            _ => merged.push((asked, range)),
        }
    }
    merged.sort_by_key(|(asked, _)| *asked);
    merged.into_iter().map(|(_, range)| range).collect()
}

#[cfg(test)]
mod tests {
    use super::Selection::{Parts, Unsatisfiable, Whole};
    use super::*;
    use proptest::prelude::*;

    fn one(range: Range<u64>) -> Selection {
        Parts(vec![range])
    }

    #[test]
    fn every_rule_of_a_range_has_a_row() {
        let rows = [
            // §14.1.2: int-range, open end, suffix, clamped end.
            ("bytes=0-0", 500, one(0..1)),
            ("bytes=0-1", 500, one(0..2)),
            ("bytes=0-499", 500, one(0..500)),
            ("bytes=0-500", 500, one(0..500)),
            ("bytes=499-", 500, one(499..500)),
            ("bytes=0-", 500, one(0..500)),
            ("bytes=-1", 500, one(499..500)),
            ("bytes=-500", 500, one(0..500)),
            ("bytes=-501", 500, one(0..500)),
            ("bytes=-99999999999999999999999", 500, one(0..500)),
            ("bytes=1-99999999999999999999999", 500, one(1..500)),
            ("bytes=4294967295-4294967297", 5 << 30, one(4_294_967_295..4_294_967_298)),
            // §15.5.17: nothing of it exists.
            ("bytes=500-", 500, Unsatisfiable),
            ("bytes=500-600", 500, Unsatisfiable),
            ("bytes=-0", 500, Unsatisfiable),
            ("bytes=99999999999999999999999-", 500, Unsatisfiable),
            ("bytes=500-,-0", 500, Unsatisfiable),
            // §14.2: an unknown unit or a malformed set is ignored.
            ("seconds=0-1", 500, Whole),
            ("bytes", 500, Whole),
            ("bytes=", 500, Whole),
            ("bytes=,", 500, Whole),
            ("bytes=-", 500, Whole),
            ("bytes=2-1", 500, Whole),
            ("bytes=0-1,2-1", 500, Whole),
            ("bytes=a-1", 500, Whole),
            ("bytes=+0-1", 500, Whole),
            ("bytes=0-1x", 500, Whole),
            ("bytes=0--1", 500, Whole),
            ("bytes=0 - 1", 500, Whole),
            ("bytes =0-1", 500, Whole),
            ("0-1", 500, Whole),
            ("", 500, Whole),
            // An empty representation is sent whole.
            ("bytes=0-", 0, Whole),
            ("bytes=-1", 0, Whole),
            // §14.1: units are case-insensitive; §5.6.1.2: empty elements and white space in a list.
            ("Bytes=0-1", 500, one(0..2)),
            ("bytes= ,0-1 ,, ", 500, one(0..2)),
            // §15.3.7.2: several, in the order of the request; coalesced if they overlap or touch.
            ("bytes=0-0,2-2", 500, Parts(vec![0..1, 2..3])),
            ("bytes=400-,0-9", 500, Parts(vec![400..500, 0..10])),
            ("bytes=0-9,10-19", 500, one(0..20)),
            ("bytes=10-19,0-9", 500, one(0..20)),
            ("bytes=0-99,50-149,300-", 500, Parts(vec![0..150, 300..500])),
            ("bytes=300-,0-99,50-149", 500, Parts(vec![300..500, 0..150])),
            ("bytes=0-,5-6", 500, one(0..500)),
            ("bytes=0-0,600-", 500, one(0..1)),
            ("bytes=-1,0-0", 500, Parts(vec![499..500, 0..1])),
        ];
        for (field, size, want) in rows {
            assert_eq!(select(field, size), want, "{field} of {size}");
        }
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let separate = |n: u64| (0..n).map(|i| format!("{0}-{0}", 2 * i)).collect::<Vec<_>>().join(",");
        let touching = |n: u64| (0..n).map(|i| format!("{i}-{i}")).collect::<Vec<_>>().join(",");
        assert!(matches!(select(&format!("bytes={}", separate(16)), 5000), Parts(parts) if parts.len() == 16));
        assert_eq!(select(&format!("bytes={}", separate(17)), 5000), Whole);
        assert_eq!(select(&format!("bytes={}", touching(256)), 5000), one(0..256));
        assert_eq!(select(&format!("bytes={}", touching(257)), 5000), Whole);
    }

    proptest! {
        /// Against a model that marks every byte of a small representation.
        #[test]
        fn the_bytes_selected_are_those_asked_for(
            size in 1u64..40,
            specs in prop::collection::vec((prop::option::of(0u64..50), prop::option::of(0u64..50)), 1..8),
        ) {
            let text: Vec<_> = specs
                .iter()
                .map(|(a, b)| [*a, *b].map(|position| position.map_or(String::new(), |p| p.to_string())).join("-"))
                .collect();
            let malformed = specs.iter().any(|(a, b)| match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => a > b,
                _ => false,
            });
            let wanted: Vec<u64> = (0..size)
                .filter(|&at| specs.iter().any(|spec| match *spec {
                    (Some(a), Some(b)) => (a..=b).contains(&at),
                    (Some(a), None) => at >= a,
                    (None, Some(n)) => at + n >= size,
                    (None, None) => false,
                }))
                .collect();
            let got = select(&format!("bytes={}", text.join(",")), size);
            if malformed {
                prop_assert_eq!(got, Whole);
            } else if wanted.is_empty() {
                prop_assert_eq!(got, Unsatisfiable);
            } else if let Parts(parts) = got {
                let mut bytes: Vec<u64> = parts.iter().cloned().flatten().collect();
                bytes.sort_unstable();
                prop_assert_eq!(bytes, wanted);
            } else {
                prop_assert!(false, "{:?}", got);
            }
        }

        #[test]
        fn no_field_makes_it_panic(field: String, size: u64) {
            let _ = select(&field, size);
            let _ = select(&format!("bytes={field}"), size);
        }
    }
}

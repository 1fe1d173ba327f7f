//! Dates as HTTP writes them (RFC 9110 §5.6.7).
//!
//! Files carry any date, before 1970 and far in the future too; HTTP can write those of the years 1970 to 9999.
//! What can't be written is left out, never guessed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from 1970 to the last second of the year 9999, the end of IMF-fixdate's four digits.
const END_OF_9999: u64 = 253_402_300_799;

/// Writes `time` as IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`), cut to whole seconds.
///
/// `None` for a time before 1970 or after 9999, which the format's users don't agree on.
pub fn format(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let writable = since.as_secs() <= END_OF_9999;
    writable.then(|| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(since.as_secs())))
}

/// Reads a date in any of the three formats of §5.6.7; `None` when it is none of them.
pub fn parse(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// The last `Date` field that was written, so that it is formatted once a second and not once a response.
#[derive(Debug, Default)]
pub struct DateCache {
    second: u64,
    text: String,
}

impl DateCache {
    /// The `Date` field's value for `now`.
    pub fn at(&mut self, now: SystemTime) -> &str {
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.text.is_empty() || second != self.second {
            self.second = second;
            self.text = format(now).unwrap_or_else(|| httpdate::fmt_http_date(UNIX_EPOCH));
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_where_http_can_write_it() {
        let day = Duration::from_secs(86_400);
        let last = UNIX_EPOCH + Duration::from_secs(END_OF_9999);
        let rows = [
            (UNIX_EPOCH, Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            (UNIX_EPOCH + Duration::new(784_111_777, 999), Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            (UNIX_EPOCH - Duration::from_nanos(1), None),
            (UNIX_EPOCH - day * 40_000, None),
            (last, Some("Fri, 31 Dec 9999 23:59:59 GMT")),
            (last + Duration::from_secs(1), None),
        ];
        for (time, want) in rows {
            assert_eq!(format(time).as_deref(), want, "{time:?}");
        }
    }

    #[test]
    fn the_cache_changes_with_the_second() {
        let mut cache = DateCache::default();
        let start = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let first = cache.at(start).to_owned();
        assert_eq!(cache.at(start + Duration::from_millis(999)), first);
        assert_ne!(cache.at(start + Duration::from_secs(1)), first);
    }
}

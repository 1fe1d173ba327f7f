//! Dates as HTTP and RFC 3339 write them. Files may have dates from before 1970 or after 9999.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The last second of the year 9999, since 1970.
const END_OF_9999: u64 = 253_402_300_799;

/// The first second of the year 0.
const START_OF_YEAR_0: Timestamp = Timestamp::constant(-62_167_219_200, 0);

/// Writes `time` as IMF-fixdate (RFC 9110 §5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`), cut to whole seconds.
/// `None` for a time before 1970 or after 9999, on which implementations disagree.
pub fn format(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    (since.as_secs() <= END_OF_9999).then(|| httpdate::fmt_http_date(time))
}

/// Converts `time`. A time outside jiff's range becomes the start or the end of it, [`Timestamp::MIN`] (in the year
/// -9999) or [`Timestamp::MAX`] (on 30 December 9999).
pub fn timestamp(time: SystemTime) -> Timestamp {
    let nearest = if time < UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(nearest)
}

/// Writes `time` as RFC 3339 in UTC (`1994-11-06T08:49:37Z`), cut to whole seconds.
/// A time outside the years 0 to 9999 becomes the first or the last second of them.
pub fn rfc3339(time: SystemTime) -> String {
    let timestamp = timestamp(time);
    if timestamp == Timestamp::MAX {
        return "9999-12-31T23:59:59Z".into();
    }
    format!("{:.0}", timestamp.max(START_OF_YEAR_0))
}

/// Parses a date in any of the three formats of RFC 9110 §5.6.7.
pub fn parse(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// The `Date` field's value for this moment (RFC 9110 §6.6.1).
pub fn now() -> String {
    format(SystemTime::now()).unwrap_or_else(|| httpdate::fmt_http_date(UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
    fn any_date_is_written_as_rfc_3339() {
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let before = |seconds| UNIX_EPOCH - Duration::from_secs(seconds);
        let rows = [
            (UNIX_EPOCH, "1970-01-01T00:00:00Z"),
            (UNIX_EPOCH + Duration::new(784_111_777, 999_999_999), "1994-11-06T08:49:37Z"),
            (UNIX_EPOCH - Duration::from_nanos(1), "1969-12-31T23:59:59Z"),
            (before(1), "1969-12-31T23:59:59Z"),
            (before(2_208_988_800), "1900-01-01T00:00:00Z"),
            (before(14_182_940), "1969-07-20T20:17:40Z"),
            (before(62_135_596_800), "0001-01-01T00:00:00Z"),
            (before(62_167_219_200), "0000-01-01T00:00:00Z"),
            (before(62_167_219_201), "0000-01-01T00:00:00Z"),
            (before(i64::MAX.unsigned_abs()), "0000-01-01T00:00:00Z"),
            (after(951_782_400), "2000-02-29T00:00:00Z"),
            (after(END_OF_9999), "9999-12-31T23:59:59Z"),
            (after(END_OF_9999 + 1), "9999-12-31T23:59:59Z"),
            (after(i64::MAX.unsigned_abs()), "9999-12-31T23:59:59Z"),
        ];
        for (time, want) in rows {
            assert_eq!(rfc3339(time), want, "{time:?}");
        }
    }
}

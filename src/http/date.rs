//! Dates as HTTP writes them (RFC 9110 §5.6.7), from 1970 to 9999. Files have others too; they are omitted.

use std::time::{SystemTime, UNIX_EPOCH};

/// Writes `time` as IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`), cut to whole seconds.
/// `None` for a time before 1970 or after 9999, on which implementations disagree.
pub fn format(time: SystemTime) -> Option<String> {
    matches!(Civil::of(time).year, 1970..10_000).then(|| httpdate::fmt_http_date(time))
}

/// A second of the Gregorian calendar, in UTC. Months and days begin at 1.
#[derive(Debug, Clone, Copy)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    /// The second of the day, 0 to 86,399.
    pub second: i64,
}

impl Civil {
    pub fn of(time: SystemTime) -> Self {
        const DAY: i64 = 86_400;
        let seconds = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_secs().cast_signed(),
            // Rounded down: a nanosecond before 1970 is in 1969.
            Err(before) => (-before.duration().as_nanos().cast_signed()).div_euclid(1_000_000_000) as i64,
        };
        // Days since 1 March of the year 0, in eras of 400 years (Howard Hinnant, "chrono-compatible low-level date
        // algorithms"): years that begin in March have their leap day last.
        let days = seconds.div_euclid(DAY) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        Self {
            year: era * 400 + year_of_era + i64::from(month >= 10),
            month: (month + 2) % 12 + 1,
            day: day_of_year - (153 * month + 2) / 5 + 1,
            second: seconds.rem_euclid(DAY),
        }
    }
}

/// Writes `time` as RFC 3339 in UTC (`1994-11-06T08:49:37Z`), cut to whole seconds.
/// A time outside the years 0 to 9999 becomes the first or the last second of them.
pub fn rfc3339(time: SystemTime) -> String {
    let Civil { year, month, day, second } = Civil::of(time);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    match year {
        ..0 => "0000-01-01T00:00:00Z".into(),
        0..10_000 => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        10_000.. => "9999-12-31T23:59:59Z".into(),
    }
}

/// Parses a date in any of the three formats of §5.6.7.
pub fn parse(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// The `Date` field's value for this moment (§6.6.1).
pub fn now() -> String {
    format(SystemTime::now()).unwrap_or_else(|| httpdate::fmt_http_date(UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The last second of the year 9999, since 1970.
    const END_OF_9999: u64 = 253_402_300_799;

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

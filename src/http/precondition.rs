//! Conditional requests (RFC 9110 §13). The entity tag is strong, and made of size and modification time in
//! nanoseconds: it is the same after a restart and on every machine that shares the files.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::date;
use super::request::Fields;

/// The validators of a representation (§8.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// The strong entity tag, with its quotes.
    pub etag: String,
    /// `Last-Modified` in whole seconds; `None` for a date that HTTP can't write, or in the future (§8.8.2.1 forbids
    /// it).
    pub modified: Option<SystemTime>,
    /// `modified` is at least a second ago, so that the date is a strong validator (§8.8.2.2).
    modified_is_strong: bool,
}

impl Validators {
    /// The validators of a file of `size` bytes, `modified` by the file system's clock, seen at `now`.
    pub fn new(size: u64, modified: SystemTime, now: SystemTime) -> Self {
        let nanoseconds = match modified.duration_since(UNIX_EPOCH) {
            Ok(since) => format!("{:x}", since.as_nanos()),
            Err(before) => format!("-{:x}", before.duration().as_nanos()),
        };
        let age = now.duration_since(modified).ok();
        let whole = modified.duration_since(UNIX_EPOCH).ok().map(|since| Duration::from_secs(since.as_secs()));
        Self {
            etag: format!("\"{size:x}-{nanoseconds}\""),
            modified: age.and(whole).map(|since| UNIX_EPOCH + since).filter(|&time| date::format(time).is_some()),
            modified_is_strong: age >= Some(Duration::from_secs(1)),
        }
    }

    /// The validators of a representation that has a tag and no date.
    pub fn of_tag(etag: String) -> Self {
        Self { etag, modified: None, modified_is_strong: false }
    }

    /// The validators of a conversion of the file: its bytes differ from the file's, and so does the tag.
    #[must_use]
    pub fn of_derived(mut self, way: &str) -> Self {
        self.etag.insert_str(self.etag.len() - 1, way);
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Perform the method, with the `Range` field.
    Proceed,
    /// Perform the method without the `Range` field: `If-Range` failed.
    ProceedWithoutRange,
    /// 304 (§15.4.5).
    NotModified,
    /// 412 (§15.5.13).
    Failed,
}

/// Evaluates the preconditions of a GET or HEAD, in the order of §13.2.2.
pub fn evaluate(fields: &Fields<'_>, validators: &Validators) -> Verdict {
    // A date that is absent, repeated or invalid is ignored (§13.1.3, §13.1.4).
    let modified_after = |name| Some(validators.modified? > date::parse(fields.get(name)?)?);
    // 1 and 2: If-Match, or else If-Unmodified-Since.
    let failed = match fields.has("if-match") {
        true => !any_tag_matches(fields, "if-match", &validators.etag),
        false => modified_after("if-unmodified-since") == Some(true),
    };
    // 3 and 4: If-None-Match, or else If-Modified-Since.
    let not_modified = match fields.has("if-none-match") {
        true => any_tag_matches(fields, "if-none-match", &validators.etag),
        false => modified_after("if-modified-since") == Some(false),
    };
    // 5: If-Range.
    if failed {
        Verdict::Failed
    } else if not_modified {
        Verdict::NotModified
    } else if fields.has("if-range") && !if_range_holds(fields, validators) {
        Verdict::ProceedWithoutRange
    } else {
        Verdict::Proceed
    }
}

/// §13.1.5: the strong tag, or exactly the date of a strong `Last-Modified`.
fn if_range_holds(fields: &Fields<'_>, validators: &Validators) -> bool {
    let Some(value) = fields.get("if-range") else { return false };
    if value.starts_with('"') || value.starts_with("W/") {
        return value == validators.etag;
    }
    let date = date::parse(value);
    date.is_some() && date == validators.modified && validators.modified_is_strong
}

/// Whether the entity tags in all lines of a field are `*` or contain `etag`. If-None-Match compares weakly, and
/// If-Match strongly (§8.8.3.2). The rest of a line after a malformed tag is ignored.
fn any_tag_matches(fields: &Fields<'_>, name: &str, etag: &str) -> bool {
    let weakly = name == "if-none-match";
    let is_it = |(weak, tag): (bool, &[u8])| tag == etag.as_bytes() && (weakly || !weak);
    fields.all(name).any(|line| line.trim_ascii() == b"*" || tags(line).any(is_it))
}

/// The entity tags of a list (§8.8.3): whether each is weak, and its opaque tag with quotes. Tags may contain commas.
fn tags(mut rest: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            rest = tail;
        }
        let weak = rest.starts_with(b"W/");
        let tag = if weak { &rest[2..] } else { rest };
        let inside = tag.strip_prefix(b"\"")?;
        let length = inside.iter().position(|&b| b == b'"')? + 2;
        rest = &tag[length..];
        Some((weak, &tag[..length]))
    })
}

#[cfg(test)]
mod tests {
    use super::Verdict::*;
    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn film() -> Validators {
        let modified = UNIX_EPOCH + Duration::new(784_111_777, 5);
        Validators::new(500, modified, modified + Duration::from_secs(3600))
    }

    fn verdict(lines: &[(&str, &str)], validators: &Validators) -> Verdict {
        let pairs = lines.iter().map(|&(name, value)| (name, value.as_bytes()));
        evaluate(&Fields::from_pairs(pairs), validators)
    }

    #[test]
    fn every_rule_of_a_precondition_has_a_row() {
        let film = film();
        let tag = film.etag.as_str();
        let weak = format!("W/{tag}");
        let list = format!("\"a,b\", {weak} ,, \"c\"");
        let strong_list = format!("\"x\",{tag}");
        let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
        let later = "Sun, 06 Nov 1994 08:49:38 GMT";
        let rows: &[(&[(&str, &str)], Verdict)] = &[
            (&[], Proceed),
            // §13.1.1
            (&[("If-Match", "*")], Proceed),
            (&[("If-Match", tag)], Proceed),
            (&[("If-Match", &strong_list)], Proceed),
            (&[("If-Match", "\"x\""), ("If-Match", tag)], Proceed),
            (&[("If-Match", &weak)], Failed),
            (&[("If-Match", "\"x\"")], Failed),
            (&[("If-Match", "")], Failed),
            // §13.1.4, three formats; ignored when invalid, or when there is an If-Match
            (&[("If-Unmodified-Since", earlier)], Failed),
            (&[("If-Unmodified-Since", MODIFIED)], Proceed),
            (&[("If-Unmodified-Since", "Sunday, 06-Nov-94 08:49:36 GMT")], Failed),
            (&[("If-Unmodified-Since", "Sun Nov  6 08:49:36 1994")], Failed),
            (&[("If-Unmodified-Since", "yesterday")], Proceed),
            (&[("If-Match", tag), ("If-Unmodified-Since", earlier)], Proceed),
            // §13.1.2
            (&[("If-None-Match", "*")], NotModified),
            (&[("If-None-Match", tag)], NotModified),
            (&[("If-None-Match", &weak)], NotModified),
            (&[("If-None-Match", &list)], NotModified),
            (&[("If-None-Match", "\"x\""), ("If-None-Match", tag)], NotModified),
            (&[("If-None-Match", "\"x\"")], Proceed),
            (&[("If-None-Match", "x, \"")], Proceed),
            // §13.1.3; ignored when invalid, or when there is an If-None-Match
            (&[("If-Modified-Since", MODIFIED)], NotModified),
            (&[("If-Modified-Since", later)], NotModified),
            (&[("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
            (&[("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], NotModified),
            (&[("If-Modified-Since", earlier)], Proceed),
            (&[("If-Modified-Since", "0")], Proceed),
            (&[("If-None-Match", "\"x\""), ("If-Modified-Since", MODIFIED)], Proceed),
            // §13.2.2: the order
            (&[("If-Match", "\"x\""), ("If-None-Match", tag)], Failed),
            (&[("If-Match", tag), ("If-None-Match", tag)], NotModified),
            (&[("If-Unmodified-Since", earlier), ("If-None-Match", tag)], Failed),
            (&[("If-None-Match", tag), ("If-Range", "\"x\"")], NotModified),
            // §13.1.5
            (&[("If-Range", tag)], Proceed),
            (&[("If-Range", &weak)], ProceedWithoutRange),
            (&[("If-Range", "\"x\"")], ProceedWithoutRange),
            (&[("If-Range", MODIFIED)], Proceed),
            (&[("If-Range", later)], ProceedWithoutRange),
            (&[("If-Range", earlier)], ProceedWithoutRange),
            (&[("If-Range", "nonsense")], ProceedWithoutRange),
            (&[("If-Range", tag), ("If-Range", tag)], ProceedWithoutRange),
        ];
        for (lines, want) in rows {
            assert_eq!(verdict(lines, &film), *want, "{lines:?}");
        }
    }

    #[test]
    fn any_date_of_a_file_is_harmless() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let year = Duration::from_secs(31_557_600);
        let rows = [
            (UNIX_EPOCH - year * 100, None),
            (UNIX_EPOCH - Duration::from_nanos(1), None),
            (UNIX_EPOCH, Some(UNIX_EPOCH)),
            (now, Some(now)),
            (now + Duration::from_nanos(1), None),
            (now + year * 9000, None),
        ];
        for (modified, want) in rows {
            let validators = Validators::new(1, modified, now);
            assert_eq!(validators.modified, want, "{modified:?}");
            let since = [("If-Modified-Since", MODIFIED), ("If-Unmodified-Since", "Tue, 14 Nov 2023 22:13:20 GMT")];
            assert_ne!(verdict(&since, &validators), Failed, "{modified:?}");
        }
    }

    #[test]
    fn the_tag_changes_with_a_nanosecond_and_with_a_byte() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let tag = |size, nanoseconds| Validators::new(size, UNIX_EPOCH + Duration::from_nanos(nanoseconds), now).etag;
        assert_eq!(tag(7, 1), tag(7, 1));
        assert_ne!(tag(7, 1), tag(7, 2));
        assert_ne!(tag(7, 1), tag(8, 1));
        let before = Validators::new(7, UNIX_EPOCH - Duration::from_nanos(1), now).etag;
        assert_ne!(before, tag(7, 1));
    }

    #[test]
    fn a_date_that_may_name_two_contents_is_no_if_range() {
        let modified = UNIX_EPOCH + Duration::new(784_111_777, 5);
        let fresh = Validators::new(500, modified, modified + Duration::from_millis(999));
        assert_eq!(verdict(&[("If-Range", MODIFIED)], &fresh), ProceedWithoutRange);
        assert_eq!(verdict(&[("If-Range", MODIFIED)], &film()), Proceed);
    }
}

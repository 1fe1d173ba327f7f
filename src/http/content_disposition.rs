//! `Content-Disposition: attachment` (RFC 6266) for any file name, in two spellings: plain ASCII for every client, and
//! the exact name by RFC 8187.

use std::path::Path;

use percent_encoding::percent_encode_byte;

/// The field's value for the last component of `name`.
///
/// ```
/// use filmstrip::http::content_disposition::attachment;
/// let want = "attachment; filename=\"50_ caf_.mp4\"; filename*=UTF-8''50%25%20caf%C3%A9.mp4";
/// assert_eq!(attachment("season 1/50% café.mp4".as_ref()), want);
/// ```
pub fn attachment(name: &Path) -> String {
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    // `%` too: some clients decode it in the plain spelling (RFC 6266 appendix D).
    let is_plain = |c: char| c == ' ' || (c.is_ascii_graphic() && !"\"\\%/".contains(c));
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut exact = String::new();
    for byte in name.bytes() {
        // The `attr-char` of RFC 8187 §3.2.1.
        match byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            true => exact.push(byte.into()),
            false => exact += percent_encode_byte(byte),
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_plain_name_is_itself() {
        assert_eq!(attachment(Path::new("a/film.mp4")), "attachment; filename=\"film.mp4\"; filename*=UTF-8''film.mp4");
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_of_the_field(name in prop::collection::vec(1u8.., 1..255)) {
            let value = attachment(Path::new(OsStr::from_bytes(&name)));
            prop_assert!(value.is_ascii() && !value.contains(|c: char| c.is_ascii_control()));
            prop_assert_eq!(value.matches('"').count(), 2);
            prop_assert!(!value.contains('\\'));
        }
    }
}

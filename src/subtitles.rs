//! Subtitles as WebVTT for browsers: SubRip (`.srt`) is converted, WebVTT is sanitized.
//!
//! Subtitle files come in any encoding, and many are malformed. Readable cues are kept, others are dropped; only text
//! and WebVTT's few tags reach a page.
//!
//! | input | output |
//! |---|---|
//! | a byte order mark | decoded accordingly |
//! | no mark, every other byte zero | decoded as UTF-16 |
//! | no mark, invalid UTF-8 | decoded as Windows-1252, the most frequent encoding of such files |
//! | `1:02,5 -->`, no hours, a dot or a comma | `00:01:02.500 -->` |
//! | a cue with invalid times, an end before its start, or no text | dropped |
//! | SubRip: a blank line within a cue | the line is dropped (in WebVTT it ends the cue) |
//! | SubRip: a cue's number; WebVTT: its identifier | dropped |
//! | WebVTT: cue settings | the known ones are kept, except `region` |
//! | WebVTT: `STYLE`, `REGION` and `NOTE` | dropped: the style is the page's and the user's |

pub mod label;
mod text;

use std::borrow::Cow;
use std::fmt::Write;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The largest subtitle file to convert, in bytes. A long film's has some 200 kB.
pub const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// The suffix of a converted file's tag. It must change with [`to_webvtt`], because players cache the output.
pub const REVISION: &str = "-vtt1";

/// Converts a subtitle file to WebVTT. The output is valid for any input, but may have no cues. The format is detected
/// by content.
pub fn to_webvtt(bytes: &[u8]) -> String {
    let decoded = decode(bytes);
    let lines = lines(&decoded);
    let is_webvtt = lines.first().is_some_and(|line| line.starts_with("WEBVTT"));
    let mut out = String::from("WEBVTT\n\n");
    for cue in cues(&lines, is_webvtt) {
        let written = text::clean(&cue.text);
        if written.text.is_empty() {
            continue;
        }
        let settings = if is_webvtt { settings(cue.settings) } else { written.line.unwrap_or_default().to_owned() };
        let (start, end) = (timestamp(cue.start), timestamp(cue.end));
        // Writing to a String never fails.
        let _ = write!(out, "{start} --> {end}{settings}\n{}\n\n", written.text);
    }
    out
}

fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let marked = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    match (marked.or_else(|| utf_16_by_its_zeros(bytes)), std::str::from_utf8(bytes)) {
        (Some(encoding), _) => encoding.decode_with_bom_removal(bytes).0,
        (None, Ok(text)) => Cow::Borrowed(text),
        (None, Err(_)) => WINDOWS_1252.decode(bytes).0,
    }
}

/// Detects UTF-16 without a mark. Numbers, spaces and line ends are ASCII in any language, and in UTF-16 have a zero
/// byte, always on the same side.
fn utf_16_by_its_zeros(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(4096)];
    let zeros = |side: usize| start.iter().skip(side).step_by(2).filter(|&&byte| byte == 0).count();
    let (big, little) = (zeros(0), zeros(1));
    if big.max(little) * 16 < start.len().max(1) {
        return None;
    }
    Some(if little > big { UTF_16LE } else { UTF_16BE })
}

/// Splits at LF, CR LF, CR, and the CR CR LF of files that were converted twice.
fn lines(text: &str) -> Vec<&str> {
    text.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')).map(str::trim).collect()
}

/// A cue as in the file. Times are in milliseconds.
struct Cue<'t> {
    start: u64,
    end: u64,
    settings: &'t str,
    text: Vec<&'t str>,
}

/// The valid cues. A cue begins with its times. In WebVTT it ends at a blank line, in SubRip at the next cue, because
/// SubRip files have blank lines within cues.
fn cues<'t>(lines: &[&'t str], is_webvtt: bool) -> Vec<Cue<'t>> {
    let mut cues: Vec<Cue<'t>> = Vec::new();
    // Whether lines belong to the last cue, or are dropped.
    let mut open = false;
    for (before, line) in std::iter::once(&"").chain(lines).zip(lines) {
        if let Some((start, end, settings)) = times(line) {
            if open && !is_webvtt && is_number(before) {
                cues.last_mut().and_then(|cue| cue.text.pop());
            }
            open = start < end;
            if open {
                cues.push(Cue { start, end, settings, text: Vec::new() });
            }
        } else if line.contains("-->") && (is_number(before) || before.is_empty()) {
            // The start of a cue with invalid times.
            if open && is_number(before) {
                cues.last_mut().and_then(|cue| cue.text.pop());
            }
            open = false;
        } else if line.is_empty() {
            open &= !is_webvtt;
        } else if open && let Some(cue) = cues.last_mut() {
            cue.text.push(line);
        }
    }
    cues
}

fn is_number(line: &str) -> bool {
    !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
}

/// Start, end and settings of the line `<time> --> <time> [settings]`.
fn times(line: &str) -> Option<(u64, u64, &str)> {
    let (start, rest) = line.split_once("-->")?;
    let rest = rest.trim_start();
    let (end, settings) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    Some((milliseconds(start.trim_end())?, milliseconds(end)?, settings))
}

/// `[hours:]minutes:seconds[,fraction]`, with a comma or a dot.
fn milliseconds(time: &str) -> Option<u64> {
    let (whole, fraction) = time.split_once([',', '.']).unwrap_or((time, "0"));
    let number = |digits: &str| digits.parse::<u64>().ok().filter(|_| is_number(digits) && digits.len() <= 4);
    let mut parts = whole.rsplit(':');
    let (seconds, minutes, hours) = (number(parts.next()?)?, number(parts.next()?)?, parts.next());
    let hours = hours.map_or(Some(0), number)?;
    let place = [100, 10, 1].get(fraction.len().wrapping_sub(1))?;
    let milliseconds = number(fraction)? * place;
    let good = minutes < 60 && seconds < 60 && parts.next().is_none();
    good.then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds)
}

fn timestamp(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, milliseconds % 1000)
}

/// The known settings of a WebVTT cue, each after a space.
fn settings(text: &str) -> String {
    const KNOWN: &[&str] = &["vertical", "line", "position", "size", "align"];
    let is_plain = |value: &str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"%.,-".contains(&b));
    let is_good = |(name, value): (&str, &str)| KNOWN.contains(&name) && is_plain(value) && !value.contains("--");
    let good = text.split_ascii_whitespace().filter(|setting| setting.split_once(':').is_some_and(is_good));
    good.flat_map(|setting| [" ", setting]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The cues of `file` as `start-end text`, by [`naive`].
    fn shown(file: impl AsRef<[u8]>) -> Vec<String> {
        let vtt = to_webvtt(file.as_ref());
        naive(&vtt).unwrap_or_else(|why| panic!("{why}: {vtt:?}"))
    }

    /// A minimal parser of WebVTT: the header, then blocks of a line of times and lines of text.
    fn naive(vtt: &str) -> Result<Vec<String>, &'static str> {
        let blocks = vtt.strip_prefix("WEBVTT\n\n").ok_or("no header")?;
        if blocks.is_empty() {
            return Ok(Vec::new());
        }
        let blocks = blocks.strip_suffix("\n\n").ok_or("no blank line at the end")?;
        blocks
            .split("\n\n")
            .map(|block| {
                let (times, text) = block.split_once('\n').ok_or("a cue without text")?;
                let (start, rest) = times.split_once(" --> ").ok_or("no times")?;
                let (end, settings) = rest.split_at_checked(rest.find(' ').unwrap_or(rest.len())).ok_or("no end")?;
                let is_time = |time: &str| time.len() >= 12 && time.as_bytes()[time.len() - 4] == b'.';
                if !is_time(start) || !is_time(end) {
                    return Err("no time");
                }
                if text.contains("-->") || text.contains(['\r', '\0']) || text.lines().any(|line| line.is_empty()) {
                    return Err("a text that isn't one");
                }
                Ok(format!("{start}-{end}{settings} {}", text.replace('\n', "|")))
            })
            .collect()
    }

    const ONE: &str = "00:00:01.000-00:00:02.000";

    #[test]
    fn every_shape_of_subrip() {
        let rows: &[(&str, &[&str])] = &[
            ("1\n00:00:01,000 --> 00:00:02,000\nHello\n", &["Hello"]),
            ("1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\nyou\r\n\r\n", &["Hello|you"]),
            ("1\r00:00:01,000 --> 00:00:02,000\rHello\r", &["Hello"]),
            ("1\r\r\n00:00:01,000 --> 00:00:02,000\r\r\nHello\r\r\n", &["Hello"]),
            ("00:00:01.000-->00:00:02.000\nno number, no spaces, dots", &["no number, no spaces, dots"]),
            ("00:01,0 --> 0:02,00\nno hours, short fractions", &["no hours, short fractions"]),
            ("1\n00:00:01 --> 00:00:02\nno fraction", &["no fraction"]),
            ("1\n00:00:01,000 --> 00:00:02,000 X1:100 X2:200 Y1:1 Y2:2\nplaced", &["placed"]),
            ("1\n00:00:01,000 --> 00:00:02,000\n1,5 and 1.5\n", &["1,5 and 1.5"]),
            ("1\n00:00:01,000 --> 00:00:02,000\na\n\n  \nb\n", &["a|b"]),
            ("1\n00:00:01,000 --> 00:00:02,000\n1984\n\n2\n00:00:01,000 --> 00:00:02,000\nb", &["1984", "b"]),
            ("1\n00:00:01,000 --> 00:00:02,000\na\n2\n00:00:01,000 --> 00:00:02,000\nb", &["a", "b"]),
            ("1\n00:00:01,000 --> 00:00:02,000\na --> b\n", &["a --&gt; b"]),
            ("1\n00:00:01,000 --> 00:00:02,000\n\n2\n00:00:01,000 --> 00:00:02,000\nafter none", &["after none"]),
            ("\n\n\n1\n00:00:01,000 --> 00:00:02,000\nblank lines first", &["blank lines first"]),
            ("1\n00:00:01,000 --> 00:00:02,000\na\0b", &["a\u{fffd}b"]),
            ("", &[]),
            ("nothing of the kind", &[]),
        ];
        for (file, want) in rows {
            let want: Vec<_> = want.iter().map(|text| format!("{ONE} {text}")).collect();
            assert_eq!(shown(file), want, "{file:?}");
        }
    }

    #[test]
    fn broken_cues_are_skipped_and_the_rest_is_kept() {
        for broken in [
            "00:00:0x,000 --> 00:00:02,000",
            "00:00:01,000 --> ",
            "00:00:02,000 --> 00:00:01,000",
            "00:00:01,000 --> 00:00:01,000",
            "00:61:01,000 --> 00:62:01,000",
            "00:00:01,0000 --> 00:00:02,0000",
            "99999999999999999999:00:01,000 --> 99999999999999999999:00:02,000",
            "1:2:3:4,000 --> 1:2:3:5,000",
            "-->",
        ] {
            let file = format!(
                "1\n00:00:01,000 --> 00:00:02,000\nbefore\n\n2\n{broken}\nlost\n\n\
                 3\n00:00:01,000 --> 00:00:02,000\nafter\n"
            );
            assert_eq!(shown(file), [format!("{ONE} before"), format!("{ONE} after")], "{broken}");
        }
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "1\r\n00:00:01,000 --> 00:00:02,000\r\nDéjà vu – ça\r\n";
        let utf_16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let rows = [
            ("UTF-8", text.as_bytes().to_vec()),
            ("UTF-8 with a mark", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
            ("UTF-16LE", utf_16(u16::to_le_bytes)),
            ("UTF-16BE", utf_16(u16::to_be_bytes)),
            ("UTF-16LE with a mark", [b"\xff\xfe", &utf_16(u16::to_le_bytes)[..]].concat()),
            ("UTF-16BE with a mark", [b"\xfe\xff", &utf_16(u16::to_be_bytes)[..]].concat()),
            ("Windows-1252", WINDOWS_1252.encode(text).0.into_owned()),
        ];
        for (encoding, file) in rows {
            assert_eq!(shown(file), [format!("{ONE} Déjà vu – ça")], "{encoding}");
        }
    }

    #[test]
    fn utf_16_is_told_by_its_zeros_in_every_script() {
        let text = "1\r\n00:00:01,000 --> 00:00:02,000\r\n".to_owned() + &"\u{65e5}\u{672c}".repeat(60) + "\r\n\r\n";
        let file: Vec<u8> = text.repeat(40).encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(shown(file).len(), 40);
    }

    #[test]
    fn webvtt_is_kept_except_styles_and_notes() {
        let file = "\u{feff}WEBVTT - a title\nX-META: 1\n\nNOTE about\nit\n\nSTYLE\n::cue { color: red }\n\n\
                    REGION\nid:fred\n\nintro\n00:01.000 --> 00:02.000 line:0 region:fred align:start x:1 size:<b>\n\
                    <v Bob>Hi &amp; <c.loud>hey\n\nNOTE the end\n";
        let want = [format!("{ONE} line:0 align:start <v Bob>Hi &amp; <c.loud>hey</c></v>")];
        assert_eq!(shown(file), want);
    }

    #[test]
    fn a_cue_at_the_top_stays_there() {
        let file = "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}up\n\n2\n00:00:01,000 --> 00:00:02,000\n{\\an2}down";
        assert_eq!(shown(file), [format!("{ONE} line:0 up"), format!("{ONE} down")]);
    }

    #[test]
    fn a_file_made_to_be_slow_is_not() {
        let begun = std::time::Instant::now();
        for unit in ["<b>", "<b", "</i>", "{\\", "&", "-->", "\r", "\n", "1\n00:01 --> 00:02\na\n", "<v a>"] {
            let file = format!("1\n00:00:01,000 --> 00:00:02,000\n{}", unit.repeat(256 * 1024 / unit.len()));
            let _ = shown(file);
        }
        // A busy machine takes seconds; quadratic work takes minutes.
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn any_bytes_become_a_webvtt_without_a_script(bytes: Vec<u8>) {
            let vtt = to_webvtt(&bytes);
            prop_assert!(naive(&vtt).is_ok(), "{:?}", vtt);
        }

        #[test]
        fn any_pieces_become_a_webvtt_without_a_script(pieces in proptest::collection::vec(prop_oneof![
            Just("WEBVTT\n\n".to_owned()), Just("00:00:01,000 --> 00:00:02,000\n".to_owned()), Just("\n".to_owned()),
            Just("<script>".to_owned()), Just("<i>".to_owned()), Just("</b>".to_owned()), Just("<br>".to_owned()),
            Just("<v a".to_owned()), Just("-->".to_owned()), Just("--".to_owned()), Just(">".to_owned()),
            Just("<".to_owned()), Just("&".to_owned()), Just("{\\an8}".to_owned()), Just("<c.".to_owned()),
            Just("1\n".to_owned()), Just("\u{2028}".to_owned()), "[ -~]{0,5}", "\\PC{0,3}",
        ], 0..40)) {
            let vtt = to_webvtt(pieces.concat().as_bytes());
            prop_assert!(naive(&vtt).is_ok(), "{:?}", vtt);
            prop_assert!(!vtt.contains("<script"), "{:?}", vtt);
        }
    }
}

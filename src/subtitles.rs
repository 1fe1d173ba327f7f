//! Subtitles as WebVTT for browsers: SubRip (`.srt`) and SubStation (`.ass`, `.ssa`) are converted, WebVTT is repaired.
//!
//! Subtitle files come in any charset, and many are malformed. What ffmpeg and mpv read is read here too, and no text
//! is lost but that of a cue without an end after its start. The format is detected by content.
//!
//! | input | output |
//! |---|---|
//! | a legacy charset | UTF-8; see `charset.rs` |
//! | WebVTT | itself, unless browsers would lose some of it |
//! | WebVTT with SubRip's times, blank lines, a garbled header, or tags that aren't WebVTT's | its cues |
//! | SubRip: `0:60: 01, 5 ->`, no hours, no fraction | `01:00:01.005 -->` |
//! | SubRip: blank lines within a cue, or after every line | dropped (in WebVTT they end the cue) |
//! | SubRip: numbers of cues, none, or `2.` | dropped, but not a number that is text |
//! | SubStation | see `substation.rs` |
//! | markup | see `markup.rs` |
//!
//! A stylesheet in WebVTT stays, because browsers apply it to cues only and fetch nothing for it; and the page's policy
//! would not let them.

pub mod label;

mod charset;
mod markup;
mod substation;

use std::borrow::Cow;

use markup::Style;

/// The largest subtitle file to convert, in bytes. A long film's has some 200 kB, much less than its typesetting. A
/// conversion takes up to eight times as much memory, and the most for a file of nothing but the shortest cues.
pub const MAX_SIZE: u64 = 8 * 1000 * 1000;

/// The suffix of a converted file's tag. It must change with [`to_webvtt`], because players cache the output.
pub const REVISION: &str = "-vtt2";

/// A subtitle file as WebVTT.
pub struct Converted {
    /// Valid for any input, perhaps without cues.
    pub text: String,
    /// The number of cues that were dropped, because they have no end after their start.
    pub dropped: usize,
}

/// Converts a subtitle file. `language` is its BCP 47 tag, a hint for the charset; "und" if unknown.
pub fn to_webvtt(bytes: &[u8], language: &str) -> Converted {
    let decoded = without_marks_and_nuls(charset::decode(bytes, language));
    let normalized = with_line_feeds(&decoded);
    let lines = normalized.as_deref().unwrap_or(&decoded);
    if !decoded.contains("\r\r\n") && is_readable_webvtt(lines) {
        return Converted { text: decoded.into_owned(), dropped: 0 };
    }
    // Only one of them is still needed, and each may have megabytes.
    let lines = normalized.map_or(decoded, Cow::Owned);
    let mut cues = all_cues(&lines);
    let read = cues.len();
    cues.retain(|cue| cue.start < cue.end);
    let dropped = read - cues.len();
    cues.sort_by_key(|cue| cue.start);
    // As much as the cues need, as a rule: to grow may mean to copy, and then both copies are there.
    let mut out = String::with_capacity(lines.len() + cues.len() * 32);
    out.push_str("WEBVTT\n\n");
    for cue in &cues {
        push_cue(cue, &mut out);
    }
    Converted { text: out, dropped }
}

/// Drops byte order marks, and replaces U+0000 as WebVTT's parser does.
fn without_marks_and_nuls(text: Cow<'_, str>) -> Cow<'_, str> {
    let unmarked = text.trim_start_matches('\u{feff}');
    if unmarked.contains('\0') {
        return Cow::Owned(unmarked.replace('\0', "\u{fffd}"));
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
        Cow::Owned(mut text) => {
            let marks = text.len() - text.trim_start_matches('\u{feff}').len();
            text.drain(..marks);
            Cow::Owned(text)
        }
    }
}

/// Replaces CR LF, CR, and the CR CR LF of files that were converted twice. `None` if there are none.
fn with_line_feeds(text: &str) -> Option<String> {
    if !text.contains('\r') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\r') {
        out.extend([&rest[..at], "\n"]);
        rest = ["\r\r\n", "\r\n", "\r"].iter().find_map(|end| rest[at..].strip_prefix(end)).unwrap_or_default();
    }
    out.push_str(rest);
    Some(out)
}

/// The cues of a file in the format of its first line that tells one.
fn all_cues(lines: &str) -> Vec<Cue<'_>> {
    let tells = |line: &&str| substation::is_substation(line) || times(line).is_some();
    let first = lines.split('\n').filter(|line| !line.is_empty()).map(str::trim).find(tells);
    if first.is_some_and(substation::is_substation) { substation::cues(lines) } else { cues(lines) }
}

/// Writes a cue, unless it has no visible text.
fn push_cue(cue: &Cue<'_>, out: &mut String) {
    let begin = out.len();
    push_timestamp(cue.start, out);
    out.push_str(" --> ");
    push_timestamp(cue.end, out);
    let end_of_times = out.len();
    let (settings, text) = cue.settings_and_text();
    push_settings(settings, out);
    let has_settings = out.len() > end_of_times;
    out.push('\n');
    let Some(place) = markup::push_text(text, &cue.style, out) else {
        out.truncate(begin);
        return;
    };
    if !has_settings {
        // The text may tell its place, so that it comes before.
        out.insert_str(end_of_times, &markup::settings(place));
    }
    out.push_str("\n\n");
}

/// Whether browsers show all cues of a WebVTT file, and all of their text.
fn is_readable_webvtt(text: &str) -> bool {
    let mut lines = text.split('\n');
    let header = lines.next().and_then(|line| line.strip_prefix("WEBVTT"));
    if !header.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return false;
    }
    let is_tag = |rest: &str| rest.split_once('>').is_some_and(|(tag, _)| markup::is_webvtt_tag(tag));
    let mut has_cue = false;
    let mut has_text = false;
    let mut in_cue = false;
    let mut after_times = false;
    for line in lines {
        has_text |= after_times && !line.is_empty();
        after_times = line.contains("-->");
        if after_times {
            if !are_webvtt_times(line) {
                return false;
            }
            has_cue = true;
            in_cue = true;
        } else {
            in_cue &= !line.is_empty();
            if in_cue && !line.split('<').skip(1).all(is_tag) {
                return false;
            }
        }
    }
    // In double-spaced files no cue has text.
    has_text || !has_cue
}

/// Whether it is a line of times of WebVTT, with or without settings.
fn are_webvtt_times(line: &str) -> bool {
    let (start, rest) = line.split_once("-->").unwrap_or_default();
    let mut words = rest.split_ascii_whitespace();
    let has_end = words.next().is_some_and(is_timestamp);
    has_end && is_timestamp(start.trim()) && words.all(|word| word.contains(':'))
}

/// Whether it is a time of WebVTT, with or without hours.
fn is_timestamp(text: &str) -> bool {
    let mut written = String::new();
    time(text, 1).into_iter().for_each(|(time, ..)| push_timestamp(time, &mut written));
    !text.is_empty() && (written == text || written.strip_prefix("00:") == Some(text))
}

/// A cue as in the file. It is small, because a file may have a million of them.
struct Cue<'t> {
    start: Milliseconds,
    end: Milliseconds,
    /// In SubRip and WebVTT, what follows the times: settings, if there are any, and the text.
    content: &'t str,
    style: Style,
}

/// 49 days at most.
type Milliseconds = u32;

impl<'t> Cue<'t> {
    fn settings_and_text(&self) -> (&'t str, &'t str) {
        if self.style.is_substation {
            return ("", self.content);
        }
        let line = self.content.split('\n').next().unwrap_or_default();
        self.content.split_at(line.len() - after_settings(line).len())
    }
}

/// The cues of SubRip, and of WebVTT that needs repair. A cue begins with its times and ends at the next one's, because
/// SubRip files have blank lines within cues.
fn cues(text: &str) -> Vec<Cue<'_>> {
    let is_webvtt = text.trim_start().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("WEBVTT"));
    let mut cues: Vec<Cue<'_>> = Vec::new();
    // Where the line ends, and where the content of the last cue begins.
    let mut end = 0;
    let mut cue_begin = 0;
    // Whether the last cue may go on.
    let mut is_open = false;
    let mut is_numbered = false;
    let mut after_blank = true;
    // The last line of text, where it begins, and whether a blank line precedes it.
    let mut last = ("", 0, false);
    for raw in text.split('\n') {
        let begin = end;
        end += raw.len() + 1;
        let line = if raw.is_empty() { raw } else { raw.trim() };
        if line.is_empty() {
            after_blank = true;
            continue;
        }
        if let Some((start, until, rest)) = times(line) {
            let (before, at, is_apart) = last;
            let is_label = is_apart && !after_blank;
            // If the file's cues aren't numbered, a number is text.
            is_numbered |= is_number(before) && (cues.is_empty() || is_label);
            let is_counter = is_numbered && is_number(before) && (is_apart || !after_blank);
            if let Some(cue) = cues.last_mut().filter(|_| is_open && (is_counter || is_webvtt && is_label)) {
                cue.content = &text[cue_begin..at];
            }
            cues.push(Cue { start, end: until, content: rest, style: Style::default() });
            cue_begin = begin + raw.trim_end().len() - rest.len();
            last = ("", 0, false);
            is_open = true;
        } else {
            is_open &= !(is_webvtt && after_blank && line.starts_with("NOTE"));
            if let Some(cue) = cues.last_mut().filter(|_| is_open) {
                cue.content = &text[cue_begin..end - 1];
            }
            last = (line, begin, after_blank);
        }
        after_blank = false;
    }
    cues
}

fn is_number(line: &str) -> bool {
    let digits = line.trim_end_matches(['.', ':', ')']);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What follows the settings of WebVTT and the coordinates of SubRip (`X1:100`) at the start of `rest`.
fn after_settings(mut rest: &str) -> &str {
    while let Some((name, value)) = rest.split_once(':') {
        if name != "region" && !SETTINGS.contains(&name) && !["X1", "X2", "Y1", "Y2"].contains(&name) {
            break;
        }
        rest = value.trim_start_matches(|c: char| !c.is_whitespace()).trim_start();
    }
    rest
}

/// Start, end and the rest of the line `<time> --> <time> [settings]`.
fn times(line: &str) -> Option<(Milliseconds, Milliseconds, &str)> {
    let (start, numbers, rest) = time(line, 1)?;
    let after = rest.trim_start_matches(|c: char| c.is_whitespace() || "-\u{2013}\u{2014}=>\u{2192}".contains(c));
    let arrow = rest[..rest.len() - after.len()].trim();
    let (end, _, settings) = time(after, 1)?;
    // A text may have `12:30 -> 14:30`.
    (arrow == "-->" || numbers > 2 && arrow.ends_with(['>', '\u{2192}'])).then_some((start, end, settings.trim_start()))
}

/// The time at the start of `text`, `[hours:]minutes:seconds[,fraction]`; of how many numbers it is; and the text after
/// it. As in ffmpeg, numbers may be of any size and the fraction is a number of `units`.
fn time(text: &str, unit: i64) -> Option<(Milliseconds, usize, &str)> {
    let mut numbers = [0_i64; 4];
    let mut count = 0;
    let mut separator = ':';
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let sign = usize::from(rest.starts_with(['-', '+']));
        let length = sign + rest.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
        numbers[count] = rest[..length].parse::<i32>().ok()?.into();
        rest = &rest[length..];
        count += 1;
        match rest.trim_start().chars().next() {
            Some(next @ (':' | ';' | ',' | '.')) if count < numbers.len() => {
                separator = next;
                rest = &rest.trim_start()[1..];
            }
            _ => break,
        }
    }
    let [hours, minutes, seconds, fraction] = match (count, separator) {
        (4, _) | (3, ':') => numbers,
        (3, _) => [0, numbers[0], numbers[1], numbers[2]],
        (2, ':') => [0, numbers[0], numbers[1], 0],
        _ => return None,
    };
    let milliseconds = ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction * unit;
    let milliseconds = milliseconds.clamp(0, Milliseconds::MAX.into()) as Milliseconds;
    Some((milliseconds, count, rest))
}

fn push_timestamp(milliseconds: Milliseconds, out: &mut String) {
    // Digit by digit, because a file may have a million short cues, and formatting macros are slow.
    let push = |number: u32, mut unit: u32, out: &mut String| {
        while number / unit >= 10 {
            unit *= 10;
        }
        while unit > 0 {
            out.push(char::from(b'0' + (number / unit % 10) as u8));
            unit /= 10;
        }
    };
    push(milliseconds / 3_600_000, 10, out);
    for (mark, number, unit) in
        [(':', milliseconds / 60_000 % 60, 10), (':', milliseconds / 1000 % 60, 10), ('.', milliseconds % 1000, 100)]
    {
        out.push(mark);
        push(number, unit, out);
    }
}

/// The settings to keep. `region` isn't one, because the converted file defines no regions.
const SETTINGS: &[&str] = &["vertical", "line", "position", "size", "align"];

/// The known settings of a WebVTT cue, each after a space.
fn push_settings(settings: &str, out: &mut String) {
    let is_plain = |value: &str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"%.,-".contains(&b));
    let is_good = |(name, value): (&str, &str)| SETTINGS.contains(&name) && is_plain(value) && !value.contains("--");
    let good = settings.split_ascii_whitespace().filter(|setting| setting.split_once(':').is_some_and(is_good));
    out.extend(good.flat_map(|setting| [" ", setting]));
}

#[cfg(test)]
mod tests;

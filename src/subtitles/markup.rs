//! Converts the text of a cue: WebVTT's tags are kept and balanced, other markup is translated or dropped.
//!
//! | input | output |
//! |---|---|
//! | `<i>`, `<b>`, `<u>`, and WebVTT's `<c>`, `<v>`, `<lang>`, `<ruby>`, `<rt>` | kept, in lower case, all closed |
//! | `<em>`, `<strong>`, `<font color=yellow>` | `<i>`, `<b>`, `<c.yellow>`, for the eight colors of WebVTT |
//! | `<br>`, `<p>`, `\N`, `\n`; `\h` | a new line; a no-break space |
//! | `{\i1}`, `{\b0}`, `{\u1}`, `{\r}` | those tags |
//! | `{\an8}`, `{\a6}`, SubStation's alignment | the cue's `line`, `position` and `align` |
//! | other tags, `{\...}`, `{Y:i}` and `{C:...}` of MicroDVD | dropped, but not their text |
//! | SubStation's drawings | dropped |
//! | `&eacute;`, `&#233;` | the character |
//! | any other `<`, `>` or `&` | escaped |

use std::borrow::Cow;

/// Tags of WebVTT to keep. The first three are also toggled by overrides, and reopened if one around them ends.
const KEPT: [&str; 8] = ["b", "i", "u", "c", "v", "lang", "ruby", "rt"];

/// The classes that WebVTT has for colors, and their numbers in HTML.
const COLORS: &str =
    "white=ffffff lime=00ff00 cyan=00ffff red=ff0000 yellow=ffff00 magenta=ff00ff blue=0000ff black=000000";

/// What is true of a whole cue.
#[derive(Clone, Copy, Default)]
pub struct Style {
    /// Braces hide all that is in them, and `<` and `&` are text.
    pub is_substation: bool,
    /// Bold, italic, underlined.
    pub tags: [bool; 3],
    /// As in [`settings`].
    pub place: u8,
}

/// The cue settings of a place, each after a space. 1 to 9 are arranged as on a keypad; anything else is the usual
/// place.
pub fn settings(place: u8) -> String {
    if !(1..=9).contains(&place) {
        return String::new();
    }
    let place = usize::from(place);
    let line = ["", " line:50%", " line:0"][(place - 1) / 3];
    let column = [" position:100% align:right", " position:0% align:left", ""][place % 3];
    format!("{line}{column}")
}

/// SubStation's first numbering of places: 1 to 3 from left to right, plus 4 for the top, plus 8 for the middle.
pub fn from_legacy(place: u8) -> u8 {
    match place {
        5..=7 => place + 2,
        9..=11 => place - 5,
        _ => place,
    }
}

/// Appends a text to `out`, which ends with a line feed. Returns the place of its cue; `None` if there are no visible
/// characters, and then the caller has to truncate `out`.
pub fn push_text(text: &str, style: &Style, out: &mut String) -> Option<u8> {
    let begin = out.len();
    let mut cleaner = Cleaner { out, open: Vec::new(), base: *style, place: None, is_drawing: false };
    cleaner.reset();
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| b"<>&{\\".contains(&byte)) {
        cleaner.push(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[cleaner.special(rest)..];
    }
    cleaner.push(rest);
    cleaner.close_down_to(0);
    let place = cleaner.place.unwrap_or(style.place);
    // It is shorter than before if there is no text at all.
    out.truncate(out.trim_end_matches([' ', '\t', '\n']).len());
    let has_words = |piece: &str| !piece.split_once('>').map_or(piece, |(_, words)| words).trim().is_empty();
    out.get(begin..)?.split('<').any(has_words).then_some(place)
}

/// Whether a tag, without its brackets, is one of WebVTT.
pub fn is_webvtt_tag(tag: &str) -> bool {
    let tag = tag.strip_prefix('/').unwrap_or(tag);
    let name = tag.split(['.', ' ', '\t']).next().unwrap_or_default();
    KEPT.contains(&name) || super::is_timestamp(tag)
}

struct Cleaner<'o> {
    /// Not a string for each text, because one cue may be as long as its file.
    out: &'o mut String,
    /// The kept tags that are open, outermost first.
    open: Vec<&'static str>,
    /// What `{\r}` goes back to.
    base: Style,
    /// The first place that an override asks for.
    place: Option<u8>,
    /// Whether the text is a vector drawing.
    is_drawing: bool,
}

impl Cleaner<'_> {
    /// Appends text without the spaces around its lines, and without blank lines, which would end the cue.
    fn push(&mut self, text: &str) {
        if self.is_drawing {
            return;
        }
        let mut lines = text.split('\n');
        self.push_line(lines.next().unwrap_or_default());
        for line in lines {
            self.end_line();
            self.push_line(line);
        }
    }

    fn push_line(&mut self, line: &str) {
        let is_at_start = self.out.ends_with('\n');
        self.out.push_str(if is_at_start { line.trim_start_matches([' ', '\t']) } else { line });
    }

    fn end_line(&mut self) {
        self.out.truncate(self.out.trim_end_matches([' ', '\t']).len());
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// Handles the special character at the start of `rest`. Returns the number of bytes consumed.
    fn special(&mut self, rest: &str) -> usize {
        let is_substation = self.base.is_substation;
        match rest.as_bytes()[0] {
            b'<' => match enclosed(rest, '<', '>').filter(|_| !is_substation) {
                Some(tag) if self.tag(tag) => return tag.len() + 2,
                _ => self.push("&lt;"),
            },
            b'>' => self.push("&gt;"),
            b'&' => match reference(rest).filter(|_| !is_substation) {
                Some((length, text)) => {
                    for character in text.chars() {
                        match character {
                            '&' => self.push("&amp;"),
                            '<' => self.push("&lt;"),
                            '>' => self.push("&gt;"),
                            '\r' => self.push("\n"),
                            other => self.push(other.encode_utf8(&mut [0; 4])),
                        }
                    }
                    return length;
                }
                None => self.push("&amp;"),
            },
            b'\\' => {
                let character = match rest.as_bytes().get(1) {
                    Some(b'N' | b'n') => "\n",
                    Some(b'h') => "\u{a0}",
                    _ => "\\",
                };
                self.push(character);
                return if character == "\\" { 1 } else { 2 };
            }
            _ => match enclosed(rest, '{', '}') {
                Some(inside) if self.braces(inside) => return inside.len() + 2,
                _ => self.push("{"),
            },
        }
        1
    }

    /// Handles a tag. Returns whether it is one.
    fn tag(&mut self, tag: &str) -> bool {
        let begins_like_one = tag.trim_start_matches('/').starts_with(|first: char| first.is_ascii_alphabetic());
        let (closing, tag) = tag.trim_start().strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let tag = tag.trim_start();
        let (head, annotation) = tag.split_once([' ', '\t', '/']).unwrap_or((tag, ""));
        let (name, classes) = head.split_at(head.find('.').unwrap_or(head.len()));
        let name = name.to_ascii_lowercase();
        let name = match &*name {
            "em" => "i",
            "strong" => "b",
            "font" => "c",
            "br" | "p" => {
                self.push("\n");
                return true;
            }
            name => name,
        };
        let Some(kept) = KEPT.into_iter().find(|kept| *kept == name) else {
            return begins_like_one || super::is_timestamp(tag);
        };
        if closing {
            self.close(kept);
        } else if head.len() == "font".len() && kept == "c" {
            if let Some(color) = color(annotation) {
                self.open(kept, &format!(".{color}"), "");
            }
        } else {
            self.open(kept, classes, annotation.trim());
        }
        true
    }

    fn open(&mut self, name: &'static str, classes: &str, annotation: &str) {
        if self.open.contains(&name) {
            return;
        }
        self.open.push(name);
        self.out.extend(["<", name]);
        if classes.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            self.out.push_str(classes);
        }
        if matches!(name, "v" | "lang") && !annotation.is_empty() {
            self.out.extend([" ", &annotation.replace('&', "&amp;")]);
        }
        self.out.push('>');
    }

    /// Closes a tag and those in it, and reopens these if they are plain.
    fn close(&mut self, name: &str) {
        if let Some(depth) = self.open.iter().rposition(|open| *open == name) {
            let inner = self.open[depth + 1..].to_vec();
            self.close_down_to(depth);
            inner.iter().filter(|name| KEPT[..3].contains(name)).for_each(|name| self.open(name, "", ""));
        }
    }

    fn close_down_to(&mut self, depth: usize) {
        for name in self.open.drain(depth..).rev() {
            self.out.extend(["</", name, ">"]);
        }
    }

    /// Toggles one of the first three tags.
    fn set(&mut self, at: usize, is_on: bool) {
        if is_on { self.open(KEPT[at], "", "") } else { self.close(KEPT[at]) }
    }

    fn reset(&mut self) {
        (0..3).for_each(|at| self.set(at, self.base.tags[at]));
    }

    /// Handles what is in braces. Returns whether it is markup.
    fn braces(&mut self, inside: &str) -> bool {
        match inside.as_bytes() {
            // MicroDVD's, which ffmpeg drops too.
            [letter, b':', ..] if b"CcFfoPSsYy".contains(letter) => {}
            [b'\\', ..] => inside.split('\\').for_each(|code| self.code(code.trim())),
            _ if self.base.is_substation => inside.split('\\').skip(1).for_each(|code| self.code(code.trim())),
            _ => return false,
        }
        true
    }

    /// Handles an override, without its backslash.
    fn code(&mut self, code: &str) {
        let (name, value) = code.split_at(code.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(code.len()));
        let number = value.parse::<u32>().ok();
        match (name, number) {
            ("an", Some(place @ 1..=9)) => _ = self.place.get_or_insert(place as u8),
            ("a", Some(place @ 1..=11)) => _ = self.place.get_or_insert(from_legacy(place as u8)),
            ("p", Some(scale)) => self.is_drawing = scale > 0,
            _ if name.starts_with('r') => self.reset(),
            _ => {
                let Some(at) = KEPT[..3].iter().position(|tag| *tag == name) else { return };
                match number {
                    // A weight, for `b`.
                    Some(number) => self.set(at, number == 1 || number > 500),
                    None if value.is_empty() => self.set(at, self.base.tags[at]),
                    None => {}
                }
            }
        }
    }
}

/// The class for the `color` among the attributes of a tag.
fn color(attributes: &str) -> Option<&'static str> {
    let attributes = attributes.to_ascii_lowercase();
    let (_, value) = attributes.split_once("color")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start_matches([' ', '"', '\'', '#']);
    let value = value.split([' ', '"', '\'']).next()?;
    let names = COLORS.split(' ').filter_map(|pair| pair.split_once('='));
    names.filter(|(name, number)| [*name, *number].contains(&value)).map(|(name, _)| name).next()
}

/// The character reference at the start of `text`: its length, and its characters.
fn reference(text: &str) -> Option<(usize, Cow<'_, str>)> {
    // The longest name has 31 letters.
    let length = text.bytes().skip(1).take(40).position(|b| !b.is_ascii_alphanumeric() && b != b'#')? + 2;
    let text = text.get(..length).filter(|text| text.ends_with(';'))?;
    let characters = htmlize::unescape(text);
    (characters != text).then_some((length, characters))
}

/// The text between `start`, the first character of `text`, and `end` on the same line. `None` if there is another
/// `start` in it, or two hyphens, which could become an arrow.
fn enclosed(text: &str, start: char, end: char) -> Option<&str> {
    let inside = &text[1..];
    let at = inside.find([start, end, '\n'])?;
    let inside = inside[at..].starts_with(end).then_some(&inside[..at])?;
    (!inside.contains("--")).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings and the text.
    fn cleaned(text: &str) -> Option<(String, String)> {
        let mut out = String::from("\n");
        let place = push_text(text, &Style::default(), &mut out)?;
        Some((settings(place), out[1..].to_owned()))
    }

    #[test]
    fn markup_is_kept_dropped_or_escaped() {
        let rows = [
            ("plain", "plain"),
            ("<i>a</i> <b>b</b> <u>c</u>", "<i>a</i> <b>b</b> <u>c</u>"),
            ("<I>a</I>", "<i>a</i>"),
            ("<i class=x>a", "<i>a</i>"),
            ("<i><b>a</i>b</b>", "<i><b>a</b></i><b>b</b>"),
            ("</b>a", "a"),
            ("<b><b>a</b>b</b>", "<b>a</b>b"),
            ("a<br>b<BR />c<br/><br>d", "a\nb\nc\nd"),
            ("<font color=\"#FF0000\" size=5>a</font>", "<c.red>a</c>"),
            ("<font size=5 color = yellow>a</font><font color='#123456'>b</font>", "<c.yellow>a</c>b"),
            ("<em>a</em><strong>b</strong><p>c</p>", "<i>a</i><b>b</b>\nc"),
            ("a\\Nb\\nc\\hd\\e", "a\nb\nc\u{a0}d\\e"),
            ("{Y:ib}a", "a"),
            ("{C:$0000FF}{y:i}a {x:y}", "a {x:y}"),
            ("&#39;&quot;&eacute;&amp;&#x41;&amp;lt;&#60;i&#62;", "'\"\u{e9}&amp;A&amp;lt;&lt;i&gt;"),
            ("AT&T; R&D &copy &", "AT&amp;T; R&amp;D &amp;copy &amp;"),
            ("I <3 you, a <- b", "I &lt;3 you, a &lt;- b"),
            ("< i>a</ i>", "<i>a</i>"),
            ("<FONT>a", "a"),
            ("<s>a</s><span x>b</span>", "ab"),
            ("<script>alert(1)</script>", "alert(1)"),
            ("<scr<b>ipt>", "&lt;scr<b>ipt&gt;</b>"),
            ("<scr<font>ipt>", "&lt;script&gt;"),
            ("a<img src=x onerror=alert(1)>", "a"),
            ("1 < 2 > 0 & so", "1 &lt; 2 &gt; 0 &amp; so"),
            ("&amp; &lt;b&gt; &nbsp;x &copy;", "&amp; &lt;b&gt; \u{a0}x \u{a9}"),
            ("a --> b", "a --&gt; b"),
            ("<v a-->b", "&lt;v a--&gt;b"),
            ("<v Tom & Jerry>hey", "<v Tom &amp; Jerry>hey</v>"),
            ("<v <script>>hey", "&lt;v &gt;hey"),
            ("<c.loud.on\u{e9}>a</c>", "<c>a</c>"),
            ("<c.loud>a</c>", "<c.loud>a</c>"),
            ("<ruby>a<rt>b</rt></ruby>", "<ruby>a<rt>b</rt></ruby>"),
            ("<00:00:01.000>a", "a"),
            ("<>a", "&lt;&gt;a"),
            ("<", "&lt;"),
            ("{\\i1}a{\\i0} {b} {", "<i>a</i> {b} {"),
            ("{\\a", "{\\a"),
            ("<i>a\nb</i>", "<i>a\nb</i>"),
            (" \n\ta  b \n \n c\t\n", "a  b\nc"),
            (" <i> a </i> \n<b>\n</b> ", "<i> a </i>\n<b>\n</b>"),
            ("<i></i>", ""),
            ("<i> <b> </b>", ""),
            (" \n\t", ""),
        ];
        for (text, want) in rows {
            assert_eq!(cleaned(text).unwrap_or_default().1, want, "{text}");
        }
    }

    #[test]
    fn a_position_becomes_settings() {
        let rows = [
            ("{\\an8}a", " line:0"),
            ("{\\fad(1,2)\\an9}a", " line:0 position:100% align:right"),
            ("{\\an5}a{\\an8}", " line:50%"),
            ("{\\an4}a", " line:50% position:0% align:left"),
            ("{\\a6}a", " line:0"),
            ("{\\a1}a", " position:0% align:left"),
            ("{\\an2}a", ""),
            ("{\\an}a", ""),
            ("{\\an0}a", ""),
            ("{an8}a", ""),
            ("a", ""),
        ];
        for (text, want) in rows {
            assert_eq!(cleaned(text).unwrap().0, want, "{text}");
        }
    }
}

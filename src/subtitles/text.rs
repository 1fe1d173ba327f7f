//! Sanitizes the text of a cue: WebVTT's tags are kept and balanced, other markup is dropped or escaped.
//!
//! | input | output |
//! |---|---|
//! | `<i>`, `<b>`, `<u>`, and WebVTT's `<c>`, `<v>`, `<lang>`, `<ruby>`, `<rt>` | kept, in lower case, all closed |
//! | `<br>` | a new line |
//! | `<font>`, `<s>`, `<span>` | only their content |
//! | `{\an8}` and other overrides of Advanced SubStation | dropped; `\an4` to `9` move the cue to middle or top |
//! | `<00:01.000>` of WebVTT's karaoke | dropped |
//! | any other `<`, `>` or `&` | escaped, except WebVTT's character references |

/// Tags of WebVTT to keep, and tags of HTML to drop without their content.
const KEPT: &[&str] = &["i", "b", "u", "c", "v", "lang", "ruby", "rt"];
const STRIPPED: &[&str] = &["font", "s", "span"];

/// Character references to keep. (WebVTT has all of HTML's, but files use only these.)
const REFERENCES: &[&str] = &["&amp;", "&lt;", "&gt;", "&lrm;", "&rlm;", "&nbsp;"];

/// The maximum nesting of tags, against files made to be slow.
const MAX_DEPTH: usize = 8;

pub struct Clean {
    /// Lines, without blank ones; empty if there are no visible characters.
    pub text: String,
    /// The cue setting for its position.
    pub line: Option<&'static str>,
}

pub fn clean(lines: &[&str]) -> Clean {
    // As WebVTT's parser does.
    let joined = lines.join("\n").replace('\0', "\u{fffd}");
    let mut cleaner = Cleaner { out: String::with_capacity(joined.len()), open: Vec::new(), line: None };
    let mut rest = joined.as_str();
    while let Some(at) = rest.find(['<', '>', '&', '{']) {
        cleaner.out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[cleaner.special(rest)..];
    }
    cleaner.out.push_str(rest);
    cleaner.close_down_to(0);
    let shown = cleaner.out.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = shown.collect::<Vec<_>>().join("\n");
    let has_words = |piece: &str| !piece.split_once('>').map_or(piece, |(_, words)| words).trim().is_empty();
    Clean { text: if text.split('<').any(has_words) { text } else { String::new() }, line: cleaner.line }
}

struct Cleaner {
    out: String,
    /// The kept tags that are open, outermost first.
    open: Vec<&'static str>,
    line: Option<&'static str>,
}

impl Cleaner {
    /// Handles the special character at the start of `rest`. Returns the number of bytes consumed.
    fn special(&mut self, rest: &str) -> usize {
        match rest.as_bytes()[0] {
            b'<' => match enclosed(rest, '<', '>') {
                Some(tag) if self.tag(tag) => return tag.len() + 2,
                _ => self.out.push_str("&lt;"),
            },
            b'>' => self.out.push_str("&gt;"),
            b'&' => {
                let reference = REFERENCES.iter().find(|reference| rest.starts_with(**reference));
                self.out.push_str(reference.unwrap_or(&"&amp;"));
                return reference.map_or(1, |reference| reference.len());
            }
            _ => match enclosed(rest, '{', '}').filter(|inside| inside.starts_with('\\')) {
                Some(overrides) => {
                    self.place(overrides);
                    return overrides.len() + 2;
                }
                None => self.out.push('{'),
            },
        }
        1
    }

    /// Handles a tag. Returns whether it is a known one.
    fn tag(&mut self, tag: &str) -> bool {
        let (closing, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let (head, annotation) = tag.split_once([' ', '\t', '/']).unwrap_or((tag, ""));
        let (name, classes) = head.split_at(head.find('.').unwrap_or(head.len()));
        let is = |known: &&&str| known.eq_ignore_ascii_case(name);
        if let Some(name) = KEPT.iter().find(is) {
            if !closing {
                self.open(name, classes, annotation.trim());
            } else if let Some(depth) = self.open.iter().rposition(|open| open == name) {
                self.close_down_to(depth);
            }
            return true;
        }
        if name.eq_ignore_ascii_case("br") {
            self.out.push('\n');
            return true;
        }
        let is_time = name.contains(':') && head.bytes().all(|b| b.is_ascii_digit() || b":.".contains(&b));
        STRIPPED.iter().any(|known| is(&known)) || is_time
    }

    fn open(&mut self, name: &'static str, classes: &str, annotation: &str) {
        if self.open.len() == MAX_DEPTH || self.open.contains(&name) {
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

    fn close_down_to(&mut self, depth: usize) {
        for name in self.open.drain(depth..).rev() {
            self.out.extend(["</", name, ">"]);
        }
    }

    /// `\an1` to `\an9` are positions, arranged as on a keypad.
    fn place(&mut self, overrides: &str) {
        match overrides.split_once("\\an").and_then(|(_, key)| key.bytes().next()) {
            Some(b'7'..=b'9') => self.line = Some(" line:0"),
            Some(b'4'..=b'6') => self.line = Some(" line:50%"),
            _ => {}
        }
    }
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

    #[test]
    fn markup_is_kept_dropped_or_escaped() {
        let rows = [
            ("plain", "plain"),
            ("<i>a</i> <b>b</b> <u>c</u>", "<i>a</i> <b>b</b> <u>c</u>"),
            ("<I>a</I>", "<i>a</i>"),
            ("<i class=x>a", "<i>a</i>"),
            ("<i><b>a</i>b</b>", "<i><b>a</b></i>b"),
            ("</b>a", "a"),
            ("<b><b>a</b>b</b>", "<b>a</b>b"),
            ("a<br>b<BR />c<br/><br>d", "a\nb\nc\nd"),
            ("<font color=\"#ff0000\" size=5>a</font>", "a"),
            ("<FONT>a", "a"),
            ("<s>a</s><span x>b</span>", "ab"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("<scr<b>ipt>", "&lt;scr<b>ipt&gt;</b>"),
            ("<scr<font>ipt>", "&lt;script&gt;"),
            ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
            ("1 < 2 > 0 & so", "1 &lt; 2 &gt; 0 &amp; so"),
            ("&amp; &lt;b&gt; &nbsp;x &copy;", "&amp; &lt;b&gt; &nbsp;x &amp;copy;"),
            ("a --> b", "a --&gt; b"),
            ("<v a-->b", "&lt;v a--&gt;b"),
            ("<v Tom & Jerry>hey", "<v Tom &amp; Jerry>hey</v>"),
            ("<v <script>>hey", "&lt;v &lt;script&gt;&gt;hey"),
            ("<c.loud.on\u{e9}>a</c>", "<c>a</c>"),
            ("<c.loud>a</c>", "<c.loud>a</c>"),
            ("<ruby>a<rt>b</rt></ruby>", "<ruby>a<rt>b</rt></ruby>"),
            ("<00:00:01.000>a", "a"),
            ("<>a", "&lt;&gt;a"),
            ("<", "&lt;"),
            ("{\\i1}a{\\i0} {b} {", "a {b} {"),
            ("{\\a", "{\\a"),
            ("<i></i>", ""),
            ("<i> <b> </b>", ""),
            ("  a  ", "a"),
            ("a\0", "a\u{fffd}"),
        ];
        for (text, want) in rows {
            assert_eq!(clean(&[text]).text, want, "{text}");
        }
        assert_eq!(clean(&["<i>a", "b</i>"]).text, "<i>a\nb</i>");
    }

    #[test]
    fn a_position_becomes_a_setting() {
        let rows = [
            ("{\\an8}a", Some(" line:0")),
            ("{\\fad(1,2)\\an9}a", Some(" line:0")),
            ("{\\an5}a", Some(" line:50%")),
            ("{\\an2}a", None),
            ("{\\an}a", None),
            ("{an8}a", None),
            ("a", None),
        ];
        for (text, want) in rows {
            assert_eq!(clean(&[text]).line, want, "{text}");
        }
    }
}

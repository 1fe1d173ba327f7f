//! The text of a cue, made harmless: the tags of WebVTT stay and are balanced, other markup goes or is shown as it is.
//!
//! | in the file | in the cue |
//! |---|---|
//! | `<i>`, `<b>`, `<u>`, and WebVTT's `<c>`, `<v>`, `<lang>`, `<ruby>`, `<rt>` | kept, in lower case, each closed |
//! | `<br>` | a new line |
//! | `<font>`, `<s>`, `<span>` | its content |
//! | `{\an8}` and the like of Advanced SubStation | nothing; 4 to 6 put the cue in the middle, 7 to 9 on top |
//! | `<00:01.000>` of WebVTT's karaoke | nothing of it |
//! | any other `<`, `>` or `&` | itself, escaped; the character references of WebVTT stay |

/// Tags of WebVTT that are kept.
const KEPT: &[&str] = &["i", "b", "u", "c", "v", "lang", "ruby", "rt"];

/// Tags of HTML that say how a text looks; the text is kept.
const STRIPPED: &[&str] = &["font", "s", "span"];

/// Character references of WebVTT that stay as they are. (WebVTT knows HTML's other ones too; nobody writes them.)
const REFERENCES: &[&str] = &["&amp;", "&lt;", "&gt;", "&lrm;", "&rlm;", "&nbsp;"];

/// Tags that are open at once, at most. No film needs more, and a file that is made to be slow has millions.
const MAX_DEPTH: usize = 8;

/// A cue's text, clean.
pub struct Clean {
    /// Its lines, none of them blank; empty when there is nothing to see.
    pub text: String,
    /// The cue setting that puts it where the file wants it.
    pub line: Option<&'static str>,
}

/// Cleans the text of a cue.
pub fn clean(lines: &[&str]) -> Clean {
    // WebVTT §4.1 has it so.
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
    let has_words =
        text.split('<').any(|piece| !piece.split_once('>').map_or(piece, |(_, words)| words).trim().is_empty());
    Clean { text: if has_words { text } else { String::new() }, line: cleaner.line }
}

struct Cleaner {
    out: String,
    /// The kept tags that are open, outermost first.
    open: Vec<&'static str>,
    line: Option<&'static str>,
}

impl Cleaner {
    /// Writes what the special character at the start of `rest` means; how many bytes that used up.
    fn special(&mut self, rest: &str) -> usize {
        match rest.as_bytes()[0] {
            b'<' => {
                if let Some(tag) = enclosed(rest, '<', '>')
                    && self.tag(tag)
                {
                    return tag.len() + 2;
                }
                self.out.push_str("&lt;");
            }
            b'>' => self.out.push_str("&gt;"),
            b'&' => match REFERENCES.iter().find(|reference| rest.starts_with(**reference)) {
                Some(reference) => {
                    self.out.push_str(reference);
                    return reference.len();
                }
                None => self.out.push_str("&amp;"),
            },
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

    /// Does what a tag asks for; whether it is one.
    fn tag(&mut self, tag: &str) -> bool {
        let (closing, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let (head, annotation) = tag.split_once([' ', '\t', '/']).unwrap_or((tag, ""));
        let (name, classes) = head.split_at(head.find('.').unwrap_or(head.len()));
        let is = |known: &&&str| known.eq_ignore_ascii_case(name);
        if let Some(name) = KEPT.iter().find(is) {
            match closing {
                true => self.close(name),
                false => self.open(name, classes, annotation.trim()),
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

    /// Closes `name` and what was opened within it; a tag that isn't open closes nothing.
    fn close(&mut self, name: &str) {
        if let Some(depth) = self.open.iter().rposition(|open| *open == name) {
            self.close_down_to(depth);
        }
    }

    fn close_down_to(&mut self, depth: usize) {
        for name in self.open.drain(depth..).rev() {
            self.out.extend(["</", name, ">"]);
        }
    }

    /// `\an1` to `\an9` is where the text stands, as on a keypad.
    fn place(&mut self, overrides: &str) {
        let key = overrides.split_once("\\an").and_then(|(_, key)| key.bytes().next());
        match key {
            Some(b'7'..=b'9') => self.line = Some(" line:0"),
            Some(b'4'..=b'6') => self.line = Some(" line:50%"),
            _ => {}
        }
    }
}

/// What stands between `start`, the first character of `text`, and `end` on the same line. Nothing with another
/// `start` in it, nor with the two hyphens that could become an arrow.
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
    fn what_becomes_of_markup() {
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
    fn where_a_cue_stands() {
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

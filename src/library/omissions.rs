//! What a listing leaves out: how much, for those who read the listing, and an example for the log.

use std::fmt;
use std::time::Duration;

use super::OpenError;
use super::sidecars::MAX_PER_VIDEO;
use crate::log_limit::log_limited;

/// How much a listing left out, and why. [`fmt::Display`] is a sentence for a person; it is empty if the listing is
/// complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Omissions {
    /// Folders and files that couldn't be read.
    pub unreadable: usize,
    /// Links that lead out of the folder, and aren't followed.
    pub refused_links: usize,
    /// Folders that lie deeper than [`Limits::depth`](super::listing::Limits::depth).
    pub too_deep: usize,
    /// There are more files than [`Limits::entries`](super::listing::Limits::entries).
    pub too_many: bool,
    /// It took longer than [`Limits::time`](super::listing::Limits::time).
    pub too_slow: bool,
}

impl Omissions {
    /// Whether the listing is complete.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Each reason, with its number. `links_hint` follows the number of links.
    fn reasons(&self, links_hint: &str) -> Vec<String> {
        let count = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let folders = count(self.too_deep, "folder", "folders");
        let unreadable = count(self.unreadable, "file or folder", "files or folders");
        let links = count(self.refused_links, "link", "links");
        let reasons = [
            (self.too_many, "too many files".to_owned()),
            (self.too_slow, "slow disk".to_owned()),
            (self.too_deep > 0, format!("{folders} nested too deeply")),
            (self.unreadable > 0, format!("{unreadable} not readable")),
            (self.refused_links > 0, format!("{links} out of the folder{links_hint}")),
        ];
        reasons.into_iter().filter_map(|(applies, reason)| applies.then_some(reason)).collect()
    }
}

impl fmt::Display for Omissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.reasons("");
        if reasons.is_empty() { Ok(()) } else { write!(f, "This list is incomplete: {}.", reasons.join(", ")) }
    }
}

/// What the log says about a listing.
#[derive(Debug, Default)]
pub struct LogLine {
    /// Subtitle files beyond [`MAX_PER_VIDEO`].
    pub extra_subtitles: usize,
    /// The first path that couldn't be listed, and why.
    example: Option<String>,
}

impl LogLine {
    /// Keeps the first path, as an example.
    pub fn add_example(&mut self, path: &[u8], why: &OpenError) {
        if self.example.is_some() {
            return;
        }
        let why = match why {
            OpenError::OutsideRoot => "link out of the folder".to_owned(),
            OpenError::Unavailable(cause) => cause.to_string(),
            _ => "permission denied".to_owned(),
        };
        self.example = Some(format!("\"{}\": {why}", path.escape_ascii()));
    }

    /// Logs what the listing of `folder` left out, unless a listing was logged less than a minute ago.
    pub fn write(&self, folder: &[u8], omissions: &Omissions) {
        if let Some(line) = self.text(folder, omissions) {
            log_limited!(Duration::from_secs(60), |_| log::warn!("{line}"));
        }
    }

    /// The line; `None` if the listing is complete.
    fn text(&self, folder: &[u8], omissions: &Omissions) -> Option<String> {
        let mut reasons = Vec::new();
        if self.extra_subtitles > 0 {
            reasons.push(format!("{} subtitle files beyond the {MAX_PER_VIDEO} of one video", self.extra_subtitles));
        }
        reasons.extend(omissions.reasons(" (--follow-symlinks serves them)"));
        if reasons.is_empty() {
            return None;
        }
        let example = self.example.as_ref().map(|example| format!(", e.g. {example}")).unwrap_or_default();
        Some(format!("\"{}\": {}{example}", folder.escape_ascii(), reasons.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_how_many_of_each() {
        let all = Omissions { unreadable: 2, refused_links: 1, too_deep: 3, too_many: true, too_slow: true };
        assert_eq!(
            all.to_string(),
            "This list is incomplete: too many files, slow disk, 3 folders nested too deeply, \
             2 files or folders not readable, 1 link out of the folder."
        );
        assert_eq!(Omissions::default().to_string(), "");
    }

    #[test]
    fn the_log_line_has_the_numbers_and_the_first_path() {
        let mut line = LogLine::default();
        assert_eq!(line.text(b"films", &Omissions::default()), None);
        line.extra_subtitles = 12;
        let text = line.text(b"films", &Omissions::default());
        assert_eq!(text.as_deref(), Some("\"films\": 12 subtitle files beyond the 64 of one video"));
        line.extra_subtitles = 0;
        line.add_example(b"a/\n.mp4", &OpenError::Forbidden);
        line.add_example(b"b.mp4", &OpenError::OutsideRoot);
        let omissions = Omissions { unreadable: 1, refused_links: 3, ..Omissions::default() };
        assert_eq!(
            line.text(b"films", &omissions).as_deref(),
            Some(
                "\"films\": 1 file or folder not readable, 3 links out of the folder (--follow-symlinks serves them), \
                 e.g. \"a/\\n.mp4\": permission denied"
            )
        );
    }
}

//! What a listing leaves out: how much, for those who read the listing, and which paths, for the log.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::OpenError;

/// What a listing left out, and why. [`fmt::Display`] is a sentence for a person, empty when it is everything.
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
}

impl fmt::Display for Omissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let folders = count(self.too_deep, "folder", "folders");
        let unreadable = count(self.unreadable, "file or folder", "files or folders");
        let links = count(self.refused_links, "link", "links");
        let reasons = [
            (self.too_many, "too many files".to_owned()),
            (self.too_slow, "slow disk".to_owned()),
            (self.too_deep > 0, format!("{folders} nested too deeply")),
            (self.unreadable > 0, format!("{unreadable} not readable")),
            (self.refused_links > 0, format!("{links} out of the folder")),
        ];
        let reasons: Vec<_> = reasons.into_iter().filter_map(|(is_so, reason)| is_so.then_some(reason)).collect();
        if reasons.is_empty() { Ok(()) } else { write!(f, "This list is incomplete: {}.", reasons.join(", ")) }
    }
}

/// A path that a listing left out, and why.
pub type Omission = (Vec<u8>, OpenError);

/// Tells the log of each path once.
#[derive(Debug, Default)]
pub struct Reporter(Mutex<Reported>);

#[derive(Debug, Default)]
struct Reported {
    /// Hashes, since it is no loss if one path in 2^64 is never mentioned.
    paths: HashSet<u64>,
    hasher: RandomState,
    /// When the first of `lines` was written.
    since: Option<Instant>,
    lines: usize,
}

/// Lines in a minute. The other paths are mentioned after a later listing.
const LINES: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// Paths that are remembered. When there are more, all are forgotten, and mentioned again.
const PATHS: usize = 8192;

impl Reporter {
    /// Tells the log of those `omissions` that it hasn't been told of.
    pub fn report(&self, omissions: &[Omission]) {
        if omissions.is_empty() {
            return;
        }
        for (path, why) in self.select(omissions, Instant::now()) {
            match why {
                OpenError::OutsideRoot => log::warn!(
                    "\"{}\" is left out: it is a link that leads out of the folder; --follow-symlinks would serve it",
                    path.escape_ascii()
                ),
                OpenError::Unavailable(cause) => {
                    log::warn!("\"{}\" is left out: it can't be read: {cause}", path.escape_ascii());
                }
                _ => {
                    log::warn!("\"{}\" is left out: it may not be read by this server's user", path.escape_ascii());
                }
            }
        }
    }

    /// Those that are to be mentioned at `now`.
    fn select<'o>(&self, omissions: &'o [Omission], now: Instant) -> Vec<&'o Omission> {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.since.is_none_or(|since| now.saturating_duration_since(since) >= MINUTE) {
            (reported.since, reported.lines) = (Some(now), 0);
        }
        let mut selected = Vec::new();
        for omission in omissions {
            let hash = reported.hasher.hash_one(&omission.0);
            if reported.lines == LINES {
                break;
            }
            if reported.paths.len() == PATHS {
                reported.paths.clear();
            }
            if reported.paths.insert(hash) {
                reported.lines += 1;
                selected.push(omission);
            }
        }
        selected
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
    fn each_path_is_mentioned_once_and_a_minute_has_so_many_lines() {
        let reporter = Reporter::default();
        let omissions: Vec<Omission> = (0..25_u8).map(|n| (vec![n], OpenError::OutsideRoot)).collect();
        let start = Instant::now();
        let mentioned = |seconds| {
            let selected = reporter.select(&omissions, start + Duration::from_secs(seconds));
            selected.iter().map(|(path, _)| path[0]).collect::<Vec<_>>()
        };
        assert_eq!(mentioned(0), (0..10).collect::<Vec<_>>());
        assert!(mentioned(59).is_empty());
        assert_eq!(mentioned(60), (10..20).collect::<Vec<_>>());
        assert_eq!(mentioned(120), (20..25).collect::<Vec<_>>());
        assert!(mentioned(500).is_empty());
    }

    #[test]
    fn however_many_paths_there_are_so_many_are_remembered() {
        let reporter = Reporter::default();
        let start = Instant::now();
        for minute in 0..2000_u64 {
            let path = |n: u64| ((minute * 10 + n).to_le_bytes().to_vec(), OpenError::OutsideRoot);
            let omissions: Vec<Omission> = (0..10).map(path).collect();
            assert_eq!(reporter.select(&omissions, start + MINUTE * minute as u32).len(), 10);
        }
        assert!(reporter.0.lock().unwrap().paths.len() <= PATHS);
    }
}

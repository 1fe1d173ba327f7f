//! Lists the videos of a folder, or of the tree below it, with their posters and subtitles.
//!
//! A listing costs one read of each folder and one `statat` for each video; it opens only playlists, to find masters.
//! It uses the library's handle, so that links out of the folder are not listed.
//!
//! Every listing ends: entries, depth and time are limited ([`Limits`]), loops of links are detected, and omissions are
//! reported ([`Omissions`]). The clock is checked before each system call. When the time is up, the listing has what is
//! known by then.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime};

use super::kind::Kind;
use super::manifest::{self, Segments};
use super::omissions::LogLine;
pub use super::omissions::Omissions;
use super::path::{self, base, join, parent, stem};
use super::root::Root;
use super::sidecars::{Films, Sidecar, is_for_subtitles, remove_extra, sidecars_by_stem};
use super::{Library, OpenError, is_valid_name, open_served, order};

use entries::{DirEntries, MediaFile};

mod card;
mod entries;

/// A video, as defined in [`Library::list`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// Its path below the library's folder, with `/` between folders.
    pub name: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// The time when its content last changed; any date.
    pub modified: SystemTime,
    /// Whether it is the playlist or manifest that stands for its folder.
    pub is_folder: bool,
    /// The path of its poster: `film.jpg` beside `film.mp4`, or its folder's `poster.jpg`.
    pub poster: Option<Vec<u8>>,
    /// Its subtitles, in the order of their tags.
    pub subtitles: Vec<Sidecar>,
}

impl Video {
    /// What it is called: its name without folders and extension, or its folder's name if it stands for that.
    pub fn title(&self) -> &[u8] {
        match parent(&self.name) {
            folder if self.is_folder && !folder.is_empty() => base(folder),
            _ => path::title(&self.name),
        }
    }
}

/// A folder in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its path below the library's folder.
    pub name: Vec<u8>,
    /// The path of its picture, such as the `poster.jpg` in it.
    pub poster: Option<Vec<u8>>,
    /// The number of videos that were found below it.
    pub videos: usize,
    /// Whether a limit was reached, so that there may be more videos. If none was found, the number is unknown.
    pub has_more: bool,
}

/// A listing. Folders and videos are in the order that a person expects: whatever the case, and 2 before 10.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The folders in the folder that have videos below them. Empty for a walk of the tree.
    pub folders: Vec<Folder>,
    /// The videos in the folder or the tree. In a tree, a folder's subfolders come before its own videos.
    pub videos: Vec<Video>,
    /// What it leaves out.
    pub omissions: Omissions,
}

/// The limits of a listing.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Directory entries in all folders.
    pub entries: usize,
    /// Nesting of folders.
    pub depth: usize,
    /// Time since the disk's first answer, because a disk may have to spin up before that. A system call that hangs
    /// isn't interrupted.
    pub time: Duration,
}

impl Default for Limits {
    /// Ten times what a large collection needs.
    fn default() -> Self {
        Self { entries: 100_000, depth: 32, time: Duration::from_secs(5) }
    }
}

impl Library {
    /// Lists `folder`, a path below the library's folder; the empty path is the library's own.
    ///
    /// **A video** is a file mp4, m4v, mov, webm, mkv, avi, ogv, ogm, mpg, mpeg, vob, mts, m2ts, wmv, flv, divx, mxf,
    /// 3gp, or ts. An `.m3u8` or `.mpd` that no other one in its folder names stands for the files and folders that it
    /// names; they aren't listed.
    ///
    /// # Errors
    /// [`OpenError`], if there is no such folder or it is unreadable.
    pub fn list(&self, folder: &[u8]) -> Result<Listing, OpenError> {
        self.with_lister(Limits::default(), folder, |lister| lister.list(folder))
    }

    /// Lists all videos in `folder` and below it. A folder with several names, by links, is walked once, by the name
    /// nearest to the top.
    ///
    /// # Errors
    /// [`OpenError`], if there is no such folder or it is unreadable. Unreadable folders below it are omitted.
    pub fn walk(&self, folder: &[u8]) -> Result<Listing, OpenError> {
        self.with_lister(Limits::default(), folder, |lister| lister.walk(folder))
    }

    /// Whether there is certainly no video. False if a limit was reached first.
    pub(crate) fn is_empty(&self) -> bool {
        let limits = Limits { entries: 1000, depth: 8, time: Duration::from_secs(2) };
        let listing = self.with_root(|root| Lister::new(root, limits).walk(b""));
        listing.is_ok_and(|Listing { videos, omissions, .. }| {
            videos.is_empty() && !(omissions.too_many || omissions.too_slow || omissions.too_deep > 0)
        })
    }

    /// Lists with a [`Lister`], and logs what it left out.
    fn with_lister(
        &self,
        limits: Limits,
        folder: &[u8],
        list: impl FnOnce(&mut Lister<'_>) -> Result<Listing, OpenError>,
    ) -> Result<Listing, OpenError> {
        self.with_root(|root| {
            let mut lister = Lister::new(root, limits);
            let listing = list(&mut lister)?;
            let library = self.path().as_os_str().as_bytes();
            let path = if folder.is_empty() { library.to_vec() } else { join(library, folder) };
            lister.log_line.write(&path, &listing.omissions);
            Ok(listing)
        })
    }
}

/// A listing in progress.
struct Lister<'l> {
    root: Root<'l>,
    limits: Limits,
    /// Directory entries that were read.
    entries: usize,
    /// When the time is up. It is set when the disk answers for the first time.
    deadline: Option<Instant>,
    omissions: Omissions,
    log_line: LogLine,
}

/// A folder of a tree that is walked.
struct TreeFolder {
    name: Vec<u8>,
    depth: usize,
    /// The indices of the folders in it.
    folders: Range<usize>,
    videos: Vec<Video>,
}

impl<'l> Lister<'l> {
    fn new(root: Root<'l>, limits: Limits) -> Self {
        Self { root, limits, entries: 0, deadline: None, omissions: Omissions::default(), log_line: LogLine::default() }
    }

    fn list(&mut self, folder: &[u8]) -> Result<Listing, OpenError> {
        let (folders, videos) = self.folder(folder)?;
        Ok(Listing { folders: self.cards(folders), videos, omissions: self.omissions })
    }

    /// Level by level, so that a folder with several names is found by the one nearest to the top.
    fn walk(&mut self, folder: &[u8]) -> Result<Listing, OpenError> {
        let mut tree = vec![TreeFolder::new(folder.to_vec(), 0)];
        let mut seen = HashSet::new();
        let mut at = 0;
        while at < tree.len() && !self.limit_reached() {
            match self.unseen_folder(&tree[at], &mut seen) {
                Ok((folders, videos)) => {
                    let depth = tree[at].depth + 1;
                    let first = tree.len();
                    tree.extend(folders.into_iter().map(|name| TreeFolder::new(name, depth)));
                    tree[at].folders = first..tree.len();
                    tree[at].videos = videos;
                }
                Err(error) if at == 0 => return Err(error),
                Err(error) => self.omit(&tree[at].name, error),
            }
            at += 1;
        }
        let mut videos = Vec::new();
        move_videos(&mut tree, 0, &mut videos);
        Ok(Listing { folders: Vec::new(), videos, omissions: self.omissions })
    }

    /// The folders and videos in a folder, or nothing if it was seen before or lies too deep.
    fn unseen_folder(
        &mut self,
        folder: &TreeFolder,
        seen: &mut HashSet<(u64, u64)>,
    ) -> Result<(Vec<Vec<u8>>, Vec<Video>), OpenError> {
        if !seen.insert(self.identity(&folder.name)?) {
            return Ok(Default::default());
        }
        if folder.depth > self.limits.depth {
            self.omissions.too_deep += 1;
            return Ok(Default::default());
        }
        self.folder(&folder.name)
    }

    /// The folders and videos in a folder, with their paths, in natural order.
    fn folder(&mut self, folder: &[u8]) -> Result<(Vec<Vec<u8>>, Vec<Video>), OpenError> {
        let mut entries = self.entries(folder)?;
        self.remove_segments(folder, &mut entries);
        let mut subtitles = std::mem::take(&mut entries.subtitles);
        // What is in `Subs` belongs to the films beside it. It is listed only if it has more.
        let (subs, mut folders): (Vec<_>, Vec<_>) = entries.folders.drain(..).partition(|name| is_for_subtitles(name));
        if !subs.is_empty() {
            let films = Films::new(entries.videos.iter().chain(&entries.manifests).map(|file| &*file.name));
            folders.extend(subs.into_iter().filter(|name| self.subtitles_in(folder, name, &films, &mut subtitles)));
        }
        let folders = order::sort(folders, |name| name, |name| name);
        let videos = self.videos(folder, entries, subtitles);
        Ok((folders.iter().map(|name| join(folder, name)).collect(), videos))
    }

    /// Appends the subtitles in the folder `subs` of `folder`, and in those in it that are called like a film. Returns
    /// whether there is more, or may be.
    fn subtitles_in(&mut self, folder: &[u8], subs: &[u8], films: &Films<'_>, subtitles: &mut Vec<Vec<u8>>) -> bool {
        if self.limit_reached() {
            return true;
        }
        let path = join(folder, subs);
        let entries = match self.entries(&path) {
            Ok(entries) => entries,
            Err(error) => {
                self.omit(&path, error);
                return false;
            }
        };
        subtitles.extend(entries.subtitles.iter().map(|file| join(subs, file)));
        let mut has_more = !entries.videos.is_empty();
        for inner in entries.folders {
            let is_films = !subs.contains(&b'/') && films.called(&inner).is_some();
            has_more |= !is_films || self.subtitles_in(folder, &join(subs, &inner), films, subtitles);
        }
        has_more
    }

    fn videos(&mut self, folder: &[u8], entries: DirEntries, subtitles: Vec<Vec<u8>>) -> Vec<Video> {
        let mut files = entries.videos;
        let is_folder = entries.manifests.len() == 1;
        files.extend(entries.manifests);
        let sidecars = self.sidecars(folder, &files, subtitles);
        // By stem first, so that `Film.mp4` comes before `Film 2.mp4`.
        let files = order::sort(files, |file| stem(&file.name), |file| &file.name);
        let video = |MediaFile { name, size, modified }| {
            let is_folder = is_folder && Kind::of(&name) == Kind::Manifest;
            let poster = entries.pictures.of_film(folder, &name);
            let subtitles = sidecars.get(stem(&name)).cloned().unwrap_or_default();
            Video { name: join(folder, &name), size, modified, is_folder, poster, subtitles }
        };
        files.into_iter().map(video).collect()
    }

    /// The subtitles of each film, by the film's stem.
    fn sidecars(
        &mut self,
        folder: &[u8],
        files: &[MediaFile],
        subtitles: Vec<Vec<u8>>,
    ) -> HashMap<Vec<u8>, Vec<Sidecar>> {
        if subtitles.is_empty() {
            return HashMap::new();
        }
        let films = Films::new(files.iter().map(|file| &*file.name));
        let mut sidecars = sidecars_by_stem(folder, &films, subtitles);
        self.log_line.extra_subtitles += remove_extra(&mut sidecars);
        sidecars
    }

    /// Removes what the manifests in the folder refer to, and of the manifests those that don't stand for it.
    fn remove_segments(&mut self, folder: &[u8], entries: &mut DirEntries) {
        if entries.manifests.is_empty() {
            return;
        }
        let segments = self.segments(folder, &entries.manifests);
        entries.folders.retain(|name| !segments.contains(name));
        entries.videos.retain(|file| !segments.contains(&file.name));
        let stands_alone = |file: &MediaFile| !segments.contains(&file.name);
        if entries.manifests.iter().any(stands_alone) {
            entries.manifests.retain(stands_alone);
        }
        // A folder has the same film for HLS and for DASH, and more players know HLS.
        let is_hls = |file: &MediaFile| file.name.to_ascii_lowercase().ends_with(b"u8");
        if entries.manifests.iter().any(is_hls) {
            entries.manifests.retain(is_hls);
        }
    }

    /// What `manifests` refer to. Those that can't be read refer to nothing.
    fn segments(&mut self, folder: &[u8], manifests: &[MediaFile]) -> Segments {
        let mut segments = Segments::default();
        let mut left = manifest::MAX_SIZE;
        for MediaFile { name, .. } in manifests {
            if self.is_late() {
                break;
            }
            if let Ok(open) = open_served(self.root, &join(folder, name)) {
                let text = self.text(&open.file, left);
                left -= text.len();
                segments.add(&text);
            }
        }
        segments
    }

    /// The first `most` bytes of a file, or those before an error or the deadline.
    fn text(&mut self, mut file: &File, most: usize) -> Vec<u8> {
        let mut text = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        while text.len() < most && !self.is_late() {
            let length = chunk.len().min(most - text.len());
            match file.read(&mut chunk[..length]) {
                Ok(read @ 1..) => text.extend_from_slice(&chunk[..read]),
                _ => break,
            }
        }
        text
    }

    /// Whether the time is up. It must be asked before each system call.
    fn is_late(&mut self) -> bool {
        self.omissions.too_slow |= self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.omissions.too_slow
    }

    /// Whether no other folder may be read.
    fn limit_reached(&mut self) -> bool {
        self.omissions.too_many || self.is_late()
    }

    /// Counts what can't be listed. A link that leads nowhere, or what vanished since its name was read, is nothing.
    fn omit(&mut self, path: &[u8], why: OpenError) {
        match why {
            OpenError::NotFound => return,
            OpenError::OutsideRoot => self.omissions.refused_links += 1,
            _ => self.omissions.unreadable += 1,
        }
        self.log_line.add_example(path, &why);
    }

    /// Device and inode of a folder, after all links.
    fn identity(&self, folder: &[u8]) -> Result<(u64, u64), OpenError> {
        use cap_std::fs::MetadataExt;
        let metadata = match folder {
            b"" => self.root.dir.dir_metadata()?,
            _ if !is_valid_name(folder) => return Err(OpenError::NotFound),
            _ => self.root.metadata(folder)?,
        };
        Ok((metadata.dev(), metadata.ino()))
    }
}

impl TreeFolder {
    fn new(name: Vec<u8>, depth: usize) -> Self {
        Self { name, depth, folders: 0..0, videos: Vec::new() }
    }
}

/// Moves the videos of a tree, those of subfolders first. The recursion is as deep as [`Limits::depth`].
fn move_videos(tree: &mut [TreeFolder], at: usize, videos: &mut Vec<Video>) {
    for folder in tree[at].folders.clone() {
        move_videos(tree, folder, videos);
    }
    videos.append(&mut tree[at].videos);
}

#[cfg(test)]
mod tests;

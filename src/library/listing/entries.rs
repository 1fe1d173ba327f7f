//! Reads the entries of a folder.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::time::{Instant, SystemTime};

use cap_std::fs::{DirEntry, FileType, Metadata, ReadDir};

use super::Lister;
use crate::library::kind::Kind;
use crate::library::path::join;
use crate::library::pictures::Pictures;
use crate::library::{OpenError, is_valid_name};

/// The entries of a folder by kind, without the folder's path.
#[derive(Default)]
pub(super) struct DirEntries {
    pub(super) folders: Vec<Vec<u8>>,
    pub(super) videos: Vec<MediaFile>,
    pub(super) manifests: Vec<MediaFile>,
    pub(super) pictures: Pictures,
    pub(super) subtitles: Vec<Vec<u8>>,
}

/// A file that may be a video.
pub(super) struct MediaFile {
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// Which kind of directory entry it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Folder,
    File,
}

impl Lister<'_> {
    /// Reads a folder, within the limits: first all names, since one call reads many of them, and then what has to be
    /// asked for each file.
    pub(super) fn entries(&mut self, folder: &[u8]) -> Result<DirEntries, OpenError> {
        if !folder.is_empty() && !is_valid_name(folder) {
            return Err(OpenError::NotFound);
        }
        let mut entries = DirEntries::default();
        if self.limit_reached() {
            return Ok(entries);
        }
        let mut unknown = Vec::new();
        let mut reader = self.root.entries(folder)?;
        while let Some(entry) = self.next_entry(&mut reader) {
            let entry = entry?;
            if self.entries == self.limits.entries {
                self.omissions.too_many = true;
                break;
            }
            self.entries += 1;
            unknown.extend(entries.add_by_name(entry));
        }
        for entry in unknown {
            if self.is_late() {
                break;
            }
            self.classify(&mut entries, folder, &entry);
        }
        Ok(entries)
    }

    /// The next entry of a folder, if there is one and time for it.
    pub(super) fn next_entry(&mut self, reader: &mut ReadDir) -> Option<io::Result<DirEntry>> {
        if self.is_late() {
            return None;
        }
        let entry = reader.next();
        self.deadline.get_or_insert_with(|| Instant::now() + self.limits.time);
        entry
    }

    /// Adds an entry after asking the disk what it is.
    fn classify(&mut self, entries: &mut DirEntries, folder: &[u8], entry: &DirEntry) {
        let name = entry.file_name().into_vec();
        match self.metadata(folder, &name, entry) {
            Ok(metadata) => match EntryKind::of(metadata.file_type()) {
                Some(EntryKind::Folder) => entries.folders.push(name),
                Some(EntryKind::File) => entries.add_file(name, Some(&metadata)),
                None => {}
            },
            Err(error) => self.omit(&join(folder, &name), error.into()),
        }
    }

    fn metadata(&self, folder: &[u8], name: &[u8], entry: &DirEntry) -> io::Result<Metadata> {
        match kind_in_directory(entry) {
            Some(_) => entry.metadata(),
            // A link: the library's handle decides whether it leads out.
            None => self.root.metadata(&join(folder, name)),
        }
    }
}

impl DirEntries {
    /// Adds an entry, unless the disk has to be asked for more than its name: then it is returned.
    fn add_by_name(&mut self, entry: DirEntry) -> Option<DirEntry> {
        let name = entry.file_name().into_vec();
        if !is_valid_name(&name) {
            return None;
        }
        match kind_in_directory(&entry) {
            Some(EntryKind::Folder) => self.folders.push(name),
            Some(EntryKind::File) if Kind::of(&name).is_playable() => return Some(entry),
            Some(EntryKind::File) => self.add_file(name, None),
            None => return Some(entry),
        }
        None
    }

    /// Adds a file. A video needs its metadata. Other files than those of a [`Kind`] are ignored.
    fn add_file(&mut self, name: Vec<u8>, metadata: Option<&Metadata>) {
        let files = match Kind::of(&name) {
            Kind::Other => return,
            Kind::Picture(_) => return self.pictures.add(name),
            Kind::Subtitles(_) => return self.subtitles.push(name),
            Kind::Video | Kind::TransportStream => &mut self.videos,
            Kind::Manifest => &mut self.manifests,
        };
        if let Some(metadata) = metadata
            && let Ok(modified) = metadata.modified()
        {
            files.push(MediaFile { name, size: metadata.len(), modified: modified.into_std() });
        }
    }
}

impl EntryKind {
    pub(super) fn of(file_type: FileType) -> Option<Self> {
        if file_type.is_dir() {
            Some(Self::Folder)
        } else if file_type.is_file() {
            Some(Self::File)
        } else {
            None
        }
    }
}

/// The kind of an entry, as far as its directory tells. It doesn't for a link, nor on some file systems.
pub(super) fn kind_in_directory(entry: &DirEntry) -> Option<EntryKind> {
    EntryKind::of(entry.file_type().ok()?)
}

//! A folder in the listing of the folder above it, after a short look at what is in it.

use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use super::path::join;
use super::{Entry, Folder, Survey};
use crate::library::kind::{Kind, is_hidden};
use crate::library::pictures::Pictures;

/// The bound of a look: entries below one folder, and time for all the folders of a listing. At the bound, a folder is
/// listed without more knowledge of it.
const ENTRIES: usize = 1000;
const TIME: Duration = Duration::from_secs(1);

impl Survey<'_> {
    /// The folders `names`, without those that have no video below them.
    pub(super) fn cards(&self, names: Vec<Vec<u8>>) -> Vec<Folder> {
        let until = self.until.min(Instant::now() + TIME);
        names.into_iter().filter_map(|name| self.card(name, until)).collect()
    }

    fn card(&self, name: Vec<u8>, until: Instant) -> Option<Folder> {
        let mut pictures = Pictures::default();
        let has_videos = self.look_below(&name, until, &mut pictures);
        has_videos.then(|| Folder { poster: pictures.of_folder(&name), name })
    }

    /// Whether there is, or may be, a video below `folder`. Collects the pictures that are in it.
    fn look_below(&self, folder: &[u8], until: Instant, pictures: &mut Pictures) -> bool {
        let (mut found, mut looked) = (false, 0);
        let mut ahead = vec![folder.to_vec()];
        while let Some(inner) = ahead.pop() {
            let Ok(entries) = self.root.entries(&inner) else { return true };
            for entry in entries {
                looked += 1;
                let (Ok(entry), true) = (entry, looked <= ENTRIES && Instant::now() < until) else { return true };
                let name = entry.file_name().into_vec();
                let kind = Kind::of(&name);
                if is_hidden(&name) {
                    continue;
                }
                // Its size and date don't matter here.
                match self.identify(&inner, &name, Kind::Other, &entry) {
                    Ok(Entry::Folder) => ahead.push(join(&inner, &name)),
                    Ok(Entry::File(_)) if kind.is_playable() => found = true,
                    Ok(Entry::File(_)) if matches!(kind, Kind::Picture(_)) && inner == folder => pictures.add(name),
                    _ => {}
                }
                if found && inner != folder {
                    return true;
                }
            }
            if found {
                return true;
            }
        }
        false
    }
}

//! The library's folder as every look into it goes: through its handle, and beyond only where links are followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt as _, ReadDir};
use rustix::fs::OFlags;

use super::Links;

/// A FIFO without a writer would hold the worker for ever; NONBLOCK means nothing to a regular file.
const FLAGS: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();

/// See the module.
#[derive(Clone, Copy)]
pub struct Root<'l> {
    pub dir: &'l Dir,
    /// Where it is.
    pub path: &'l Path,
    pub links: Links,
}

impl Root<'_> {
    /// Opens whatever `name` is, without waiting.
    pub fn open(self, name: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(FLAGS);
        self.reach(
            name,
            |dir, name| Ok(dir.open_with(name, &options)?.into_std()),
            |path| std::fs::OpenOptions::new().read(true).custom_flags(FLAGS).open(path),
        )
    }

    /// What `name` leads to, after all links.
    pub fn metadata(self, name: &[u8]) -> io::Result<Metadata> {
        self.reach(
            name,
            |dir, name| dir.metadata(name),
            |path| std::fs::metadata(path).map(Metadata::from_just_metadata),
        )
    }

    /// What is in `folder`; the empty name is the library's own.
    pub fn entries(self, folder: &[u8]) -> io::Result<ReadDir> {
        if folder.is_empty() {
            return self.dir.entries();
        }
        self.reach(
            folder,
            |dir, name| dir.read_dir(name),
            |path| Dir::open_ambient_dir(path, ambient_authority())?.entries(),
        )
    }

    /// Does a thing `beneath` the handle. For a link out of it: `beyond` it if links are followed, or else where the
    /// link comes back inside.
    fn reach<T>(
        self,
        name: &[u8],
        beneath: impl Fn(&Dir, &Path) -> io::Result<T>,
        beyond: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let name = Path::new(OsStr::from_bytes(name));
        match beneath(self.dir, name) {
            Err(error) if leads_out(&error) => match (self.links, self.inner_path(name)) {
                (Links::Followed, _) => beyond(&self.path.join(name)),
                (Links::Confined, Some(inner)) => beneath(self.dir, &inner),
                (Links::Confined, None) => Err(error),
            },
            outcome => outcome,
        }
    }

    /// Where below the folder a name leads that goes by an absolute link, if it comes back inside. What is done there
    /// is done beneath the handle all the same, so that nothing is won by a race.
    fn inner_path(self, name: &Path) -> Option<PathBuf> {
        let target = self.path.join(name).canonicalize().ok()?;
        Some(target.strip_prefix(self.path.canonicalize().ok()?).ok()?.to_owned())
    }
}

/// Whether this is cap-std's own error for a name that leads out: it has no number of the system's.
pub fn leads_out(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.kind() == io::ErrorKind::PermissionDenied
}

//! Access to the library's folder: always through its handle; outside it only where links are followed.

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

/// The library's folder, open.
#[derive(Clone, Copy)]
pub struct Root<'l> {
    pub dir: &'l Dir,
    /// The folder's path.
    pub path: &'l Path,
    pub links: Links,
}

impl Root<'_> {
    /// Opens whatever `name` is, without waiting.
    pub fn open(self, name: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(FLAGS);
        self.resolve(
            name,
            |dir, name| Ok(dir.open_with(name, &options)?.into_std()),
            |path| std::fs::OpenOptions::new().read(true).custom_flags(FLAGS).open(path),
        )
    }

    /// What `name` leads to, after all links.
    pub fn metadata(self, name: &[u8]) -> io::Result<Metadata> {
        self.resolve(
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
        self.resolve(
            folder,
            |dir, name| dir.read_dir(name),
            |path| Dir::open_ambient_dir(path, ambient_authority())?.entries(),
        )
    }

    /// Does something with `name`, `beneath` the handle. If a link leads out of it: `beyond` it if links are followed,
    /// otherwise at the path where the link comes back inside, if it does.
    fn resolve<T>(
        self,
        name: &[u8],
        beneath: impl Fn(&Dir, &Path) -> io::Result<T>,
        beyond: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let name = Path::new(OsStr::from_bytes(name));
        match beneath(self.dir, name) {
            Err(error) if escapes_root(&error) => match self.links {
                Links::Followed => beyond(&self.path.join(name)),
                Links::Confined => beneath(self.dir, &self.path_inside_root(name).ok_or(error)?),
            },
            outcome => outcome,
        }
    }

    /// The path below the folder that `name` leads to through an absolute link, if it comes back inside. It is opened
    /// beneath the handle too, so a race gains nothing.
    fn path_inside_root(self, name: &Path) -> Option<PathBuf> {
        let target = self.path.join(name).canonicalize().ok()?;
        Some(target.strip_prefix(self.path.canonicalize().ok()?).ok()?.to_owned())
    }
}

/// Whether this is cap-std's own error for a name that leads out. Unlike the system's errors it has no number.
pub fn escapes_root(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.kind() == io::ErrorKind::PermissionDenied
}

//! The folder: opens its files safely, and, in [`listing`], lists them.
//!
//! Every file is opened through a handle of the folder (`openat2` with `RESOLVE_BENEATH` on Linux), so that no name, no
//! link and no race leads out of it. Names are bytes, as on Unix.
//!
//! The handle is opened for each request, and closed with it. So the next request sees a folder that was switched,
//! replaced or mounted over, and an unused library does not prevent unmounting. This costs 2.3 µs; to keep a handle and
//! check that the path still names its folder costs 1.2.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Access, AtFlags, Stat, accessat, stat};

pub use error::OpenError;
use kind::is_hidden;
use root::Root;

mod error;
pub mod kind;
pub mod listing;
mod manifest;
mod omissions;
mod order;
pub mod path;
mod pictures;
mod root;
pub mod sidecars;

/// A folder of videos.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    links: Links,
}

/// How to treat a symbolic link that leads out of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is refused. (One that stays inside is served.)
    Confined,
    /// It is served: the folder's owner vouches for every link in it.
    Followed,
}

/// A regular file that was opened, with what the file system said of it at that moment.
#[derive(Debug, Clone)]
pub struct OpenFile {
    /// The open file. Read it with explicit offsets.
    pub file: Arc<File>,
    /// Its size in bytes.
    pub size: u64,
    /// When its content last changed; any date.
    pub modified: SystemTime,
    pub(crate) identity: Identity,
}

/// Which file it is, and in which state: device, inode, size, and the times when content and inode last changed.
pub(crate) type Identity = (u64, u64, u64, [i64; 4]);

impl Library {
    /// Opens the folder at `path`, out of which no link leads.
    ///
    /// # Errors
    /// When it is not there, no folder, or may not be read.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::open_with(path, Links::Confined)
    }

    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(path: impl Into<PathBuf>, links: Links) -> io::Result<Self> {
        let path = path.into();
        Dir::open_ambient_dir(&path, ambient_authority())?.entries()?;
        Ok(Self { path, links })
    }

    /// The folder's path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the regular file called `name`, a path below the folder with `/` between folders.
    ///
    /// # Errors
    /// [`OpenError`]; a FIFO, a socket or a device is [`OpenError::NotFound`], and doesn't block.
    pub fn open_file(&self, name: &[u8]) -> Result<OpenFile, OpenError> {
        if !is_valid_name(name) {
            return Err(OpenError::NotFound);
        }
        self.with_root(|root| open_served(root, name))
    }

    /// Opens the first of `names` that is a regular file. The folder is opened once.
    ///
    /// # Errors
    /// As [`Self::open_file`], of the last name.
    pub fn open_first(&self, names: impl IntoIterator<Item = Vec<u8>>) -> Result<OpenFile, OpenError> {
        self.with_root(|root| {
            let mut outcome = Err(OpenError::NotFound);
            for name in names.into_iter().filter(|name| is_valid_name(name)) {
                outcome = open_served(root, &name);
                if !matches!(outcome, Err(OpenError::NotFound | OpenError::OutsideRoot)) {
                    break;
                }
            }
            outcome
        })
    }

    /// Identifies the folder that the path names now, and its state. Changes in the folders below it don't count.
    pub(crate) fn identity(&self) -> Result<Identity, OpenError> {
        stat(&self.path).map(|stat| identity(&stat)).map_err(|error| OpenError::NoFolder(error.into()))
    }

    /// Calls `use_root` with the folder that the path names now.
    fn with_root<T>(&self, use_root: impl FnOnce(Root<'_>) -> Result<T, OpenError>) -> Result<T, OpenError> {
        let dir = Dir::open_ambient_dir(&self.path, ambient_authority()).map_err(OpenError::NoFolder)?;
        let outcome = use_root(Root { dir: &dir, path: &self.path, links: self.links });
        if matches!(outcome, Err(OpenError::Forbidden)) {
            // O_PATH needs no read permission, so check the folder itself.
            let may = accessat(&dir, c".", Access::READ_OK | Access::EXEC_OK, AtFlags::empty());
            may.map_err(|error| OpenError::NoFolder(error.into()))?;
        }
        outcome
    }
}

/// Whether a name may be served: it has no empty component, no hidden one, and no NUL. The rest is up to the file
/// system.
fn is_valid_name(name: &[u8]) -> bool {
    !name.contains(&0) && name.split(|&b| b == b'/').all(|component| !component.is_empty() && !is_hidden(component))
}

/// Opens a name if it is a file that is served.
fn open_served(root: Root<'_>, name: &[u8]) -> Result<OpenFile, OpenError> {
    let file = root.open(name)?;
    let metadata = file.metadata().map_err(OpenError::Unavailable)?;
    if !metadata.is_file() {
        return Err(OpenError::NotFound);
    }
    let modified = metadata.modified().map_err(OpenError::Unavailable)?;
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    let identity = (metadata.dev(), metadata.ino(), metadata.len(), times);
    Ok(OpenFile { size: metadata.len(), modified, file: Arc::new(file), identity })
}

#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the types differ from system to system")]
fn identity(stat: &Stat) -> Identity {
    let times = [stat.st_mtime as i64, stat.st_mtime_nsec as i64, stat.st_ctime as i64, stat.st_ctime_nsec as i64];
    (stat.st_dev as u64, stat.st_ino as u64, stat.st_size as u64, times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A folder of this test's own, removed when it ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("filmstrip-library-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("videos/season 1/.hidden")).unwrap();
            fs::write(path.join("secret.mp4"), "secret").unwrap();
            fs::write(path.join("videos/season 1/e01.mp4"), "episode").unwrap();
            Self(path)
        }

        fn library(&self) -> Library {
            Library::open(self.0.join("videos")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn hidden_names_special_files_and_links_out_are_refused() {
        let folder = Folder::new("names");
        let videos = folder.0.join("videos");
        for name in ["a b.mp4", "100%.mp4", "what?.mp4", "a#b.mp4", "back\\slash.mp4", "\u{e9}t\u{e9}.mp4", ".env"] {
            fs::write(videos.join(name), name).unwrap();
        }
        fs::write(videos.join(OsStr::from_bytes(b"\xff\xfe.mp4")), "bytes").unwrap();
        fs::write(videos.join("season 1/.hidden/x.mp4"), "hidden").unwrap();
        symlink("season 1/e01.mp4", videos.join("inside.mp4")).unwrap();
        symlink("../secret.mp4", videos.join("outside.mp4")).unwrap();
        symlink("/etc", videos.join("etc")).unwrap();
        symlink(videos.join("season 1/e01.mp4"), videos.join("absolute.mp4")).unwrap();
        symlink("loop.mp4", videos.join("loop.mp4")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            videos.join("fifo.mp4"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let socket = std::os::unix::net::UnixListener::bind(videos.join("socket.mp4")).unwrap();
        let rows: &[(&[u8], &str)] = &[
            (b"season 1/e01.mp4", "open"),
            (b"a b.mp4", "open"),
            (b"100%.mp4", "open"),
            (b"what?.mp4", "open"),
            (b"a#b.mp4", "open"),
            (b"back\\slash.mp4", "open"),
            ("\u{e9}t\u{e9}.mp4".as_bytes(), "open"),
            (b"\xff\xfe.mp4", "open"),
            (b"inside.mp4", "open"),
            (b"absolute.mp4", "open"),
            (b"", "not found"),
            (b"none.mp4", "not found"),
            (b"season 1", "not found"),
            (b"season 1/", "not found"),
            (b"a b.mp4/", "not found"),
            (b"a b.mp4/x", "not found"),
            (b"season 1//e01.mp4", "not found"),
            (b"/season 1/e01.mp4", "not found"),
            (b"./a b.mp4", "not found"),
            (b"season 1/../a b.mp4", "not found"),
            (b"../secret.mp4", "not found"),
            (b"..", "not found"),
            (b"/etc/hostname", "not found"),
            (b"a b.mp4\0", "not found"),
            (b".env", "not found"),
            (b"season 1/.hidden/x.mp4", "not found"),
            (b"fifo.mp4", "not found"),
            (b"socket.mp4", "not found"),
            (b"loop.mp4", "not found"),
            (&[b'x'; 300], "not found"),
            (&[b'x'; 5000], "not found"),
            (b"outside.mp4", "outside"),
            (b"etc/hostname", "outside"),
        ];
        let library = folder.library();
        for (name, want) in rows {
            let got = match library.open_file(name) {
                Ok(_) => "open",
                Err(OpenError::NotFound) => "not found",
                Err(OpenError::OutsideRoot) => "outside",
                Err(_) => "failed",
            };
            assert_eq!(got, *want, "{}", String::from_utf8_lossy(name));
        }
        let followed = Library::open_with(&videos, Links::Followed).unwrap();
        for name in ["season 1/e01.mp4", "inside.mp4", "outside.mp4", "etc/hostname"] {
            assert!(followed.open_file(name.as_bytes()).is_ok(), "{name}");
        }
        for name in ["../secret.mp4", "etc", "loop.mp4", "fifo.mp4", ".env"] {
            assert!(matches!(followed.open_file(name.as_bytes()), Err(OpenError::NotFound)), "{name}");
        }
        drop(socket);
    }

    #[test]
    fn the_first_name_that_is_a_file_is_opened() {
        let folder = Folder::new("first");
        let videos = folder.0.join("videos");
        fs::write(videos.join("b.srt"), "b").unwrap();
        fs::write(videos.join("c.srt"), "other").unwrap();
        symlink("../secret.mp4", videos.join("out.srt")).unwrap();
        let library = folder.library();
        let size = |names: &[&str]| {
            let names = names.iter().map(|name| name.as_bytes().to_vec());
            library.open_first(names).map(|open| open.size).map_err(|error| format!("{error:?}"))
        };
        assert_eq!(size(&["a.srt", "../secret.mp4", "out.srt", "season 1", "b.srt", "c.srt"]), Ok(1));
        assert_eq!(size(&["out.srt", "a.srt", ".hidden"]), Err("NotFound".to_owned()));
        assert_eq!(size(&[]), Err("NotFound".to_owned()));
    }

    #[test]
    fn an_open_file_says_its_size_and_date() {
        let folder = Folder::new("date");
        let before_1970 = SystemTime::UNIX_EPOCH - std::time::Duration::new(1_000_000, 500);
        let file = File::options().append(true).open(folder.0.join("videos/season 1/e01.mp4")).unwrap();
        file.set_modified(before_1970).unwrap();
        let open = folder.library().open_file(b"season 1/e01.mp4").unwrap();
        assert_eq!((open.size, open.modified), (7, before_1970));
    }

    /// A link whose target is another one is the system's to follow, each time.
    #[test]
    fn a_link_inside_the_library_may_change_its_target() {
        let folder = Folder::new("target");
        let (library, link) = (folder.library(), folder.0.join("videos/link.mp4"));
        for text in ["episode", "another"] {
            fs::write(folder.0.join(format!("videos/{text}.mp4")), text).unwrap();
            let _ = fs::remove_file(&link);
            symlink(format!("{text}.mp4"), &link).unwrap();
            let open = library.open_file(b"link.mp4").unwrap();
            assert_eq!(io::read_to_string(&*open.file).unwrap(), text);
        }
    }

    #[test]
    fn what_is_served_is_what_the_path_names_now() {
        let folder = Folder::new("replaced");
        let (library, videos) = (folder.library(), folder.0.join("videos"));
        let name = b"season 1/e01.mp4";
        let seen = |library: &Library| {
            let opened = library.open_file(name).map(|open| io::read_to_string(&*open.file).unwrap());
            let listed = library.walk(b"").map(|listing| listing.videos.len());
            match (opened, listed) {
                (Ok(text), Ok(1)) => text,
                (Err(OpenError::NoFolder(_)), Err(OpenError::NoFolder(_))) => "gone".into(),
                other => panic!("{other:?}"),
            }
        };
        // Another folder with the same film, as long, and of the same date.
        let other = folder.0.join("other");
        fs::create_dir_all(other.join("season 1")).unwrap();
        fs::write(other.join("season 1/e01.mp4"), "another").unwrap();
        assert_eq!(seen(&library), "episode");
        fs::rename(&videos, folder.0.join("old")).unwrap();
        assert_eq!(seen(&library), "gone");
        fs::rename(&other, &videos).unwrap();
        assert_eq!(seen(&library), "another");
        fs::rename(&videos, &other).unwrap();
        symlink("old", &videos).unwrap();
        assert_eq!(seen(&library), "episode");
        symlink("other", folder.0.join("next")).unwrap();
        fs::rename(folder.0.join("next"), &videos).unwrap();
        assert_eq!(seen(&library), "another");
        fs::remove_file(&videos).unwrap();
        fs::write(&videos, "no folder").unwrap();
        assert_eq!(seen(&library), "gone");
    }

    #[test]
    fn a_folder_that_lost_its_permissions_is_told_from_a_file_that_did() {
        let folder = Folder::new("permissions");
        let (library, videos) = (folder.library(), folder.0.join("videos"));
        let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        allow(&videos, 0o000);
        // Root reads everything.
        if fs::read_dir(&videos).is_err() {
            assert!(matches!(library.open_file(b"season 1/e01.mp4"), Err(OpenError::NoFolder(_))));
            assert!(matches!(library.walk(b""), Err(OpenError::NoFolder(_))));
            allow(&videos, 0o755);
            allow(&videos.join("season 1"), 0o000);
            assert!(matches!(library.open_file(b"season 1/e01.mp4"), Err(OpenError::Forbidden)));
            allow(&videos.join("season 1"), 0o755);
        }
        allow(&videos, 0o755);
        assert!(library.open_file(b"season 1/e01.mp4").is_ok());
    }

    /// The film of the same name that a new link above it leads out to is never served.
    #[test]
    fn a_folder_that_became_a_link_which_leads_out_serves_nothing_new() {
        let folder = Folder::new("parent");
        let (library, season) = (folder.library(), folder.0.join("videos/season 1"));
        let open = library.open_file(b"season 1/e01.mp4").unwrap();
        assert_eq!(open.size, 7);
        fs::create_dir(folder.0.join("outside")).unwrap();
        fs::write(folder.0.join("outside/e01.mp4"), "outside").unwrap();
        fs::rename(&season, folder.0.join("old")).unwrap();
        symlink("../outside", &season).unwrap();
        for _ in 0..2 {
            let outcome = library.open_file(b"season 1/e01.mp4");
            assert!(matches!(outcome, Err(OpenError::OutsideRoot)), "{outcome:?}");
        }
    }

    #[test]
    fn the_systems_failures_are_told_from_a_missing_file() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::IO, Errno::STALE, Errno::TIMEDOUT] {
            assert!(matches!(OpenError::from(io::Error::from(errno)), OpenError::Unavailable(_)), "{errno}");
        }
        assert!(matches!(OpenError::from(io::Error::from(Errno::ACCESS)), OpenError::Forbidden));
    }
}

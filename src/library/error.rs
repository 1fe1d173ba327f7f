//! Why a name didn't open.

use std::io;

use rustix::io::Errno;

use super::root::escapes_root;

/// Why a name didn't open.
#[derive(Debug)]
pub enum OpenError {
    /// No such file, or nothing that is served: hidden, a folder, a device, a name that can't be.
    NotFound,
    /// The name leads out of the folder through a symbolic link.
    OutsideRoot,
    /// The file is there, and the server may not read it.
    Forbidden,
    /// The file may well be there; the system or the disk failed.
    Unavailable(io::Error),
    /// The library's own folder is not there, or may not be read.
    NoFolder(io::Error),
    /// It wasn't listed in time, or clients hold too many listings.
    Busy,
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            _ if escapes_root(&error) => Self::OutsideRoot,
            Some(Errno::ACCESS | Errno::PERM) => Self::Forbidden,
            Some(
                // NXIO: a socket, or a device without a driver.
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::ISDIR
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::NXIO
                | Errno::NODEV
                | Errno::INVAL
                | Errno::ILSEQ,
            ) => Self::NotFound,
            _ => Self::Unavailable(error),
        }
    }
}

//! RFC 9110 and 9112 for a server of files: what a request says and what a response looks like.
//!
//! Values in, values out. Nothing here knows a socket or opens a file; [`request`] reads a head from bytes,
//! [`range`] and [`precondition`] decide what part of a representation is due, [`response`] writes a head to bytes.

pub mod content_disposition;
pub mod content_type;
pub mod cors;
pub mod date;
pub mod precondition;
pub mod range;
pub mod request;
pub mod response;
pub mod target;

pub use tiny_http::{HTTPVersion, Method, StatusCode};

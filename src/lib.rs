//! A minimal, synchronous, threaded HTTP server that streams videos from a folder.
#![forbid(unsafe_code)]

pub mod access_log;
mod admission;
pub mod cli;
mod connection;
pub mod embed;
pub mod http;
pub mod library;
pub mod pages;
mod pool;
pub mod routes;
mod server;
mod stream;
mod throttle;
mod transport;

pub use library::Library;
pub use routes::Site;
pub use server::{Config, Handle, Server, StartError, Stopped};

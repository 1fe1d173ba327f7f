//! A minimal, synchronous, threaded HTTP server that streams videos from a folder.
//!
//! ```text
//! crowd ──▶ crew ──▶ server ──▶ connection ──▶ request ──▶ routes ──▶ response ──▶ stream
//! (who      (threads, (who may   (one client,    (head in,   (pure:     (head out)   (4 KiB chunks
//!  waits)    one more  come in)   deadlines)      bounded)    no I/O                  from file to
//!            for each                                         on sockets)             socket)
//!            held up)
//! ```
//!
//! `examples/own_server.rs` and `examples/embed.rs` are complete programs; the second needs `tiny_http` 0.12, whose
//! `Request` is in [`Site::respond`]'s signature.
//!
//! Data flows from left to right, and no room calls back to its left. [`Server`] is the whole of it; [`Site`] is the
//! middle alone, for those who bring their own connections ([`embed`]).
//!
//! ```
//! use filmstrip::{Config, Server};
//!
//! let server = Server::bind(Config { dir: "videos".into(), port: 0, ..Config::default() })?;
//! let handle = server.handle();
//! let running = std::thread::spawn(move || server.run());
//! handle.stop();
//! assert_eq!(running.join().unwrap().aborted, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod access_log;
mod api;
pub mod cli;
mod close_reason;
mod config;
pub mod embed;
pub mod http;
mod lan;
pub mod library;
mod metrics;
pub mod pages;
mod playlist;
mod representation;
pub mod routes;
mod server;
pub mod subtitles;
mod throttle;

pub use config::{Config, StartError};
pub use library::Library;
pub use routes::Site;
pub use server::{Handle, Server, Stopped};

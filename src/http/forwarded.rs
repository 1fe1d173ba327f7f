//! The client behind reverse proxies, from the fields that they add: `X-Forwarded-For`, `-Proto` and `-Host`. Anybody
//! can send these fields, so they are believed only as far as trusted proxies added them: from the right, up to the
//! first address that is no trusted proxy's.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::request::{Fields, is_authority};

/// The addresses of the proxies that are trusted.
#[derive(Debug, Clone, Default)]
pub struct Proxies(pub Vec<IpNet>);

/// The client of a request, and how it reached the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'b> {
    pub client: IpAddr,
    /// Whether the client uses https.
    pub is_https: bool,
    /// The host and port that the client asked for, if a proxy names them.
    pub authority: Option<&'b str>,
}

impl Proxies {
    /// Whether `address` is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Returns where a request comes from that `peer` sent with these fields.
    pub fn origin<'b>(&self, peer: IpAddr, fields: &Fields<'b>) -> Origin<'b> {
        let mut origin = Origin { client: peer.to_canonical(), is_https: false, authority: None };
        if !self.trusts(peer) {
            return origin;
        }
        let mut clients = from_the_right(fields, "x-forwarded-for");
        let mut schemes = from_the_right(fields, "x-forwarded-proto");
        let mut authorities = from_the_right(fields, "x-forwarded-host");
        loop {
            match schemes.next() {
                Some(scheme) if scheme.eq_ignore_ascii_case("https") => origin.is_https = true,
                Some(scheme) if scheme.eq_ignore_ascii_case("http") => origin.is_https = false,
                _ => {}
            }
            if let Some(authority) = authorities.next().filter(|host| !host.is_empty() && is_authority(host)) {
                origin.authority = Some(authority);
            }
            let Some(client) = clients.next().and_then(address) else { return origin };
            origin.client = client;
            if !self.trusts(client) {
                return origin;
            }
        }
    }
}

/// The elements of a list field, the last one first.
fn from_the_right<'b>(fields: &Fields<'b>, name: &str) -> impl Iterator<Item = &'b str> {
    let lines = fields.all(name).rev().map(|line| std::str::from_utf8(line).unwrap_or_default());
    lines.flat_map(|line| line.rsplit(',')).map(str::trim)
}

/// An address, with or without brackets and port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(trusted: &[&str], peer: &str, lines: &str) -> String {
        let proxies = Proxies(trusted.iter().map(|network| network.parse().unwrap()).collect());
        let pairs = lines.lines().map(|line| line.split_once(": ").unwrap()).map(|(name, v)| (name, v.as_bytes()));
        let Origin { client, is_https, authority } =
            proxies.origin(peer.parse().unwrap(), &Fields::from_pairs(pairs.collect::<Vec<_>>()));
        format!("{client} {} {}", if is_https { "https" } else { "http" }, authority.unwrap_or("-"))
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_trusted_proxy() {
        let rows = [
            ("", "10.0.0.1 http -"),
            ("X-Forwarded-For: 1.2.3.4", "1.2.3.4 http -"),
            ("X-Forwarded-For: 6.6.6.6, 1.2.3.4", "1.2.3.4 http -"),
            ("X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 1.2.3.4, 10.9.9.9", "1.2.3.4 http -"),
            ("X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3 http -"),
            ("X-Forwarded-For: 1.2.3.4:5678", "1.2.3.4 http -"),
            ("X-Forwarded-For: ::ffff:1.2.3.4", "1.2.3.4 http -"),
            ("X-Forwarded-For: 2001:db8::1", "2001:db8::1 http -"),
            ("X-Forwarded-For: [2001:db8::1]:80", "2001:db8::1 http -"),
            ("X-Forwarded-For: 6.6.6.6, nonsense", "10.0.0.1 http -"),
            ("X-Forwarded-For: 6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2 http -"),
            ("X-Forwarded-For: 6.6.6.6,", "10.0.0.1 http -"),
            ("X-Forwarded-Proto: https\nX-Forwarded-Host: films.example:8443", "10.0.0.1 https films.example:8443"),
            ("X-Forwarded-For: 1.2.3.4, 10.0.0.2\nX-Forwarded-Proto: ftp, https, http", "1.2.3.4 https -"),
            ("X-Forwarded-For: 1.2.3.4, 10.0.0.2\nX-Forwarded-Proto: https", "1.2.3.4 https -"),
            ("X-Forwarded-For: 1.2.3.4\nX-Forwarded-Host: evil, films", "1.2.3.4 http films"),
            ("X-Forwarded-For: 1.2.3.4\nX-Forwarded-Host: a/b\"<", "1.2.3.4 http -"),
            ("X-Forwarded-For: unknown", "10.0.0.1 http -"),
            ("Forwarded: for=6.6.6.6;proto=https;host=evil", "10.0.0.1 http -"),
        ];
        for (lines, want) in rows {
            assert_eq!(origin(&["10.0.0.0/8", "::1/128"], "10.0.0.1", lines), want, "{lines}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let spoofed = "X-Forwarded-For: 6.6.6.6\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil";
        assert_eq!(origin(&[], "10.0.0.1", spoofed), "10.0.0.1 http -");
        assert_eq!(origin(&["10.0.0.2/32"], "10.0.0.1", spoofed), "10.0.0.1 http -");
        assert_eq!(origin(&["::/0"], "10.0.0.1", spoofed), "10.0.0.1 http -");
        // On an IPv6 listener, an IPv4 peer has a mapped address.
        assert_eq!(origin(&["10.0.0.1/32"], "::ffff:10.0.0.1", spoofed), "6.6.6.6 https evil");
    }
}

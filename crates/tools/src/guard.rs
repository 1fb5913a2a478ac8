//! The guard that every outgoing address passes: a workflow reaches the public internet, and of the private networks only what the operator
//! opened.
//!
//! A host is resolved once. If one of its addresses may not be reached, none is: a name that is public today and private in a second answer
//! is refused. The caller connects to the addresses that were checked and to no others.

mod allow;
mod ranges;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::Url;

pub use self::allow::{AllowPrivate, BadAllowEntry};
pub use self::ranges::{Special, special};

/// Why a target may not be reached, or cannot.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// An address of it is not public and was not opened.
    #[error(
        "`{host}` is {address}, {what}: not reachable from a workflow. If it is meant to be, write `[http] allow_private = [\"{address}\"]` in gorgon.toml"
    )]
    NotPublic {
        /// The host of the URL.
        host: String,
        /// The address.
        address: IpAddr,
        /// What kind of address.
        what: Special,
    },
    /// The URL names no host, or a scheme that is not HTTP.
    #[error("`{scheme}:` is no address of a web server; it has to begin with `http://` or `https://` and name a host")]
    NotHttp {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The name could not be resolved.
    #[error("the name `{host}` could not be resolved: {error}")]
    Unresolved {
        /// The host of the URL.
        host: String,
        /// What the resolver said.
        #[source]
        error: io::Error,
    },
}

/// The answer of a [`Lookup`].
pub type Lookups<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Resolves names. The system does it; tests bring their own.
pub trait Lookup: Send + Sync {
    /// All addresses of a host.
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> Lookups<'a>;
}

/// Resolves as the system does.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> Lookups<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Checks targets.
#[derive(Clone)]
pub struct Guard {
    allow: AllowPrivate,
    lookup: Arc<dyn Lookup>,
}

impl Guard {
    /// A guard that lets through what is public, and what this list opens.
    #[must_use]
    pub fn new(allow: AllowPrivate, lookup: Arc<dyn Lookup>) -> Self {
        Self { allow, lookup }
    }

    /// The addresses to connect to.
    ///
    /// # Errors
    /// If the target is not HTTP, has no address, or has one that may not be reached.
    pub async fn check(&self, url: &Url) -> Result<Vec<SocketAddr>, Refusal> {
        let not_http = || Refusal::NotHttp { scheme: url.scheme().to_owned() };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(not_http());
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(not_http)?;
        let port = url.port_or_known_default().ok_or_else(not_http)?;
        // `Url` has read every way to write an IPv4 address (`0x7f.1`, `2130706433`) and writes it with four numbers.
        let addresses = match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.lookup.lookup(host, port).await.map_err(|error| Refusal::Unresolved { host: host.to_owned(), error })?,
        };
        if addresses.is_empty() {
            return Err(Refusal::Unresolved { host: host.to_owned(), error: io::Error::new(io::ErrorKind::NotFound, "it has no address") });
        }
        for address in addresses.iter().map(SocketAddr::ip) {
            if let Some(what) = special(address).filter(|_| !self.allow.opens(host, address)) {
                return Err(Refusal::NotPublic { host: host.to_owned(), address, what });
            }
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<&'static str>);

    impl Lookup for Fixed {
        fn lookup<'a>(&'a self, _host: &'a str, port: u16) -> Lookups<'a> {
            let addresses = self.0.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect();
            Box::pin(async move { Ok(addresses) })
        }
    }

    async fn check(url: &str, allow: &[&str], resolved: &[&'static str]) -> Result<Vec<String>, String> {
        let guard = Guard::new(AllowPrivate::parse(allow).unwrap(), Arc::new(Fixed(resolved.to_vec())));
        let addresses = guard.check(&Url::parse(url).unwrap()).await;
        addresses.map(|all| all.iter().map(ToString::to_string).collect()).map_err(|refusal| refusal.to_string())
    }

    #[tokio::test]
    async fn a_public_name_gives_its_addresses() {
        assert_eq!(check("https://example.com/a", &[], &["93.184.215.14"]).await, Ok(vec!["93.184.215.14:443".to_owned()]));
        assert_eq!(check("http://example.com:81/", &[], &["2606:4700::1"]).await, Ok(vec!["[2606:4700::1]:81".to_owned()]));
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_refuses_all() {
        let refusal = check("http://example.com/", &[], &["93.184.215.14", "10.0.0.7"]).await.unwrap_err();
        assert!(refusal.contains("`example.com` is 10.0.0.7") && refusal.contains("[http] allow_private = [\"10.0.0.7\"]"), "{refusal}");
    }

    #[tokio::test]
    async fn odd_ways_to_write_an_address_are_seen_through() {
        for url in [
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://0/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://169.254.169.254/",
            "http://１２７.0.0.1/",
            "http://127。0。0。1/",
            "http://%31%32%37.0.0.1/",
            "http://user:secret@127.0.0.1/",
        ] {
            let refusal = check(url, &[], &["93.184.215.14"]).await.unwrap_err();
            assert!(refusal.contains("not reachable from a workflow") && !refusal.contains("secret"), "{url}: {refusal}");
        }
    }

    #[tokio::test]
    async fn the_list_opens_addresses_networks_and_names() {
        for allow in ["127.0.0.1", "127.0.0.0/8", "localhost", "LOCALHOST."] {
            assert!(check("http://localhost:1/", &[allow], &["127.0.0.1"]).await.is_ok(), "{allow}");
        }
        assert!(check("http://[::ffff:127.0.0.1]/", &["127.0.0.1"], &[]).await.is_ok());
        // A name is opened, not the address that it has; nor another name that ends like it.
        assert!(check("http://other/", &["localhost"], &["127.0.0.1"]).await.is_err());
        assert!(check("http://evil.localhost/", &["localhost"], &["127.0.0.1"]).await.is_err());
        assert!(check("http://localhost/", &["127.0.0.1"], &["127.0.0.1", "::1"]).await.is_err());
    }

    #[tokio::test]
    async fn only_http_has_addresses() {
        for url in ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "data:,x", "unix:/run/x.sock"] {
            assert!(check(url, &[], &["93.184.215.14"]).await.unwrap_err().contains("no address of a web server"), "{url}");
        }
    }
}

//! Where channels may not lead: to addresses at which a cloud tells a machine its own secrets.
//!
//! Whoever may set channels up can make the collector call any other address that it reaches, which is what they are
//! for; the right to do so is that of people who configure all sites.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// An address that channels may not lead to.
#[derive(Debug, thiserror::Error)]
#[error("{0} is a link-local or metadata address; notify.allow_link_local in the collector's settings allows it")]
pub(super) struct Forbidden(pub(super) IpAddr);

/// Whether channels may lead there.
pub(super) fn is_allowed(address: IpAddr) -> bool {
    match address.to_canonical() {
        // 100.100.100.200 is the metadata service of Alibaba Cloud.
        IpAddr::V4(v4) => !v4.is_link_local() && v4 != Ipv4Addr::new(100, 100, 100, 200) && !v4.is_unspecified(),
        // fd00:ec2::254 is the one of AWS.
        IpAddr::V6(v6) => {
            !v6.is_unicast_link_local()
                && v6.segments() != [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
                && !v6.is_unspecified()
        }
    }
}

/// Looks names up and leaves out where channels may not lead.
#[derive(Debug)]
pub(super) struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Looks a name up; an error if it leads nowhere but where channels may not lead.
pub(super) async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    let forbidden = found.iter().find(|address| !is_allowed(address.ip())).map(|address| Forbidden(address.ip()));
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| is_allowed(address.ip())).collect();
    match forbidden {
        Some(forbidden) if allowed.is_empty() => Err(forbidden.into()),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_machine_are_out_of_reach() {
        for bad in
            ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "0.0.0.0"]
        {
            assert!(!is_allowed(bad.parse().unwrap()), "{bad}");
        }
        for good in ["127.0.0.1", "10.0.0.1", "203.0.113.9", "2001:db8::1", "::1"] {
            assert!(is_allowed(good.parse().unwrap()), "{good}");
        }
    }
}

//! From how a system is called in the configuration to the settings of its endpoint.

use std::path::Path;

use tidegate_config::config::{self, AwsKey, System};
use tidegate_wire::sigv4;

use super::auth::{Auth, ClientStyle, OAuth2Settings, Signature};
use super::{ClientIdentity, EndpointSettings, GuardSettings, InvalidCidr, ProxySettings};
use crate::http::TrustAnchors;

/// How a system is reached, unsigned; `folder` is the one that paths of files are relative to.
pub(crate) fn configured(
    url: &str,
    system: &System,
    folder: &Path,
) -> Result<EndpointSettings, InvalidCidr> {
    let calling = &system.calling;
    let ranges = calling.private_ranges.iter();
    let ranges: Result<Vec<_>, InvalidCidr> = ranges.map(|range| range.parse()).collect();
    let mut settings = EndpointSettings::new(url);
    settings.guard = GuardSettings {
        allow: ranges?,
        ports: calling.ports.clone(),
    };
    if let Some(ca) = &calling.tls.ca {
        settings.trust = TrustAnchors::File(folder.join(ca));
    }
    let identity = calling.tls.identity.as_ref();
    settings.identity = identity.map(|(cert, key)| ClientIdentity {
        certificates: folder.join(cert),
        key: folder.join(key),
    });
    settings.proxy = calling.proxy.as_ref().map(|proxy| ProxySettings {
        url: proxy.url.clone(),
        credentials: proxy.credentials.clone(),
    });
    settings.auth = match &calling.auth {
        None => Auth::None,
        Some(config::Auth::Shown(spec)) => Auth::Shown(spec.clone()),
        Some(config::Auth::OAuth2(oauth2)) => Auth::OAuth2(Box::new(OAuth2Settings {
            token_url: oauth2.token_url.clone(),
            client_id: oauth2.client_id.clone(),
            client_secret: oauth2.client_secret.clone(),
            style: if oauth2.in_body {
                ClientStyle::Body
            } else {
                ClientStyle::Basic
            },
            scope: oauth2.scope.clone(),
            audience: oauth2.audience.clone(),
        })),
    };
    Ok(settings)
}

/// How calls of AWS are signed with this key.
pub(crate) fn aws_signature(key: &AwsKey) -> Signature {
    Signature::Aws {
        credentials: sigv4::Credentials {
            access_key_id: key.access_key.clone(),
            secret_access_key: key.secret_key.clone(),
            session_token: key.session_token.clone(),
        },
        scope: sigv4::Scope {
            region: key.region.clone(),
            service: key.service.clone(),
        },
        style: sigv4::Style::default(),
    }
}

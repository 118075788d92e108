//! Requests with tokens, for the test against an OAuth2 server from outside (`tests/interop/oauth2`).
//!
//! Reads where server and API are from one JSON line, and tells of each request in another.

use std::error::Error;
use std::io;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tidegate_gateway::outbound::auth::{Auth, ClientStyle, OAuth2Settings};
use tidegate_gateway::outbound::{
    Endpoint, EndpointSettings, Outcome, Request, Transport, TransportSettings,
};
use tidegate_types::secret::Secret;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Requests sent at the same time.
const AT_ONCE: usize = 8;

fn endpoint(world: &Value, secret: &str, style: ClientStyle) -> Result<Arc<Endpoint>> {
    let text = |name: &str| world[name].as_str().unwrap_or_default().to_owned();
    let mut settings = EndpointSettings::new(text("api"));
    settings.guard.allow = vec!["127.0.0.0/8".parse()?];
    settings.auth = Auth::OAuth2(Box::new(OAuth2Settings {
        token_url: text("token"),
        client_id: text("id"),
        client_secret: Secret::new(secret),
        style,
        scope: Some("orders.write".to_owned()),
        audience: Some("https://api.example".to_owned()),
    }));
    Ok(Endpoint::new(&settings)?)
}

fn tell(case: &str, outcome: &Outcome) -> Value {
    match &outcome.result {
        Ok(answer) => {
            let mut told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            told["case"] = case.into();
            told["status"] = answer.status.as_u16().into();
            told
        }
        Err(failure) => json!({
            "case": case,
            "kind": format!("{:?}", failure.kind),
            "blame": format!("{:?}", failure.blame()),
            "detail": failure.to_string(),
        }),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let world: Value = serde_json::from_str(&line)?;
    let secret = world["secret"].as_str().unwrap_or_default();
    let transport = Arc::new(Transport::new(TransportSettings::default()));
    let request = |endpoint: &Endpoint, path: &str| -> Result<Request> {
        Ok(Request::new(Method::POST, endpoint.locate(path, "")?))
    };

    let basic = endpoint(&world, secret, ClientStyle::Basic)?;
    let mut tasks = Vec::new();
    for _ in 0..AT_ONCE {
        let (transport, basic, request) = (transport.clone(), basic.clone(), request(&basic, "/")?);
        tasks.push(tokio::spawn(async move {
            transport.send(&basic, &request).await
        }));
    }
    let mut lines = Vec::new();
    for task in tasks {
        lines.push(tell("at once", &task.await?));
    }
    let revoked = transport.send(&basic, &request(&basic, "/revoke")?).await;
    lines.push(tell("revoke", &revoked));
    let after = transport.send(&basic, &request(&basic, "/")?).await;
    lines.push(tell("after the revocation", &after));
    let body = endpoint(&world, secret, ClientStyle::Body)?;
    lines.push(tell(
        "body",
        &transport.send(&body, &request(&body, "/")?).await,
    ));
    let wrong = endpoint(&world, "wrong-s3cret", ClientStyle::Basic)?;
    lines.push(tell(
        "wrong secret",
        &transport.send(&wrong, &request(&wrong, "/")?).await,
    ));

    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    io::Write::write_all(&mut io::stdout(), (text.join("\n") + "\n").as_bytes())?;
    Ok(())
}

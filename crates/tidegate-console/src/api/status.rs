//! How the node is doing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::parks::FlowPark;
use tidegate_types::position::FrameNumber;

use super::health::readiness;
use crate::admin::Admin;
use crate::problem::Refusal;
use crate::view::{
    CopyView, LogView, MirrorView, NodeView, ParkView, Status, SubscriptionView, ViewsView,
};

/// How the node is doing.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "node",
    responses((status = 200, description = "How it is doing", body = Status)),
)]
pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Result<Json<Status>, Refusal> {
    let config = admin.node().config();
    let settings = admin.settings();
    let node = NodeView {
        subsystem: config.subsystem.clone(),
        region: config.region.clone(),
        account: config.account.clone(),
        stage: config.stage.clone(),
        version: settings.version.to_owned(),
        started: settings.started.to_string(),
        uptime_seconds: now().since(settings.started).as_secs(),
    };
    let head = admin.hub().head().borrow().frame;
    let stats = admin.hub().stats();
    let applied = stats.applied.load(Ordering::Relaxed);
    let faults_open = stats.faults_open.load(Ordering::Relaxed);
    let subscriptions = admin.ask(move |hub| subscriptions(hub, head)).await?;
    Ok(Json(Status {
        node,
        readiness: readiness(&admin),
        log: log(admin.hub(), config.log.size_max),
        views: ViewsView {
            applied_frame: applied,
            behind_frames: head.0.saturating_sub(applied),
        },
        faults_open,
        flows: admin.node().flows(),
        deliveries: admin.node().deliveries(),
        polls: admin.node().polls(),
        parks: admin.hub().parks().into_iter().map(park).collect(),
        feeds: admin.node().feeds(),
        mirrors: MirrorView::all(admin.hub()),
        copies: CopyView::all(admin.hub()),
        subscriptions,
    }))
}

fn log(hub: &Hub, bytes_max: u64) -> LogView {
    let status = hub.status();
    let head = *hub.head().borrow();
    LogView {
        incarnation: head.incarnation.to_string(),
        first_frame: status.bounds.first.0,
        last_frame: head.frame.0,
        segments: status.segments,
        bytes: status.bytes,
        bytes_max,
        oldest: status.oldest.map(|time| time.to_string()),
        newest: status.newest.map(|time| time.to_string()),
        failures: status.failures,
        held_segments: hub.stats().held_segments.load(Ordering::Relaxed),
        damage: status.damage.as_ref().map(ToString::to_string),
    }
}

fn park(park: FlowPark) -> ParkView {
    ParkView {
        flow: park.flow,
        events: park.status.events,
        bytes: park.status.bytes,
        disk_bytes: park.status.disk_bytes,
        quota_bytes: park.status.quota,
        full: park.full,
        holds_log: park.holds,
        discarded: park.discarded,
    }
}

fn subscriptions(hub: &Hub, head: FrameNumber) -> Result<Vec<SubscriptionView>, Refusal> {
    let cursors = hub.views().cursors()?.into_iter();
    // Flows keep cursors of their own, which say nothing here.
    let cursors = cursors.filter(|(name, _)| !name.starts_with("flows:"));
    let views = cursors.map(|(name, place)| SubscriptionView {
        name,
        behind_frames: head.0.saturating_sub(place.frame.0),
        position: place.of(hub.origin()).to_string(),
    });
    Ok(views.collect())
}

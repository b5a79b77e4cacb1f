//! The rates of cameras that contracts name: pictures online, and pictures intact.

use kouan_protocol::{PointName, Timestamp};
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::availability::DeviceKey;
use super::series::{spans, spent, window_ms};
use super::{AppState, Problem};
use crate::availability::Windows;
use crate::store::StoreError;
use crate::telemetry::{Resolution, WindowsQuery};

/// What a camera, or whatever judges its picture, says of it.
const INTACT: &str = "video.ok";

/// Pictures of cameras.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Images {
    /// How many cameras there are.
    cameras: usize,
    /// The share of the time that counts in which a camera answered; `null` if no time counts.
    online_rate: Option<f64>,
    /// How many cameras tell whether their pictures come (`video.ok`).
    judged: usize,
    /// The share of the time of which that is known in which pictures came, without what was worked on; `null` if
    /// nothing is known.
    intact_rate: Option<f64>,
    /// Whether what a camera told may be missing for a part of the time, because a part of the history is damaged.
    incomplete: bool,
}

/// Whether devices of that class deliver pictures.
pub(super) fn is_camera(class: &str) -> bool {
    class == "camera" || class.ends_with("-camera")
}

/// The rates of these cameras, of which `online_rate` is known.
pub(super) async fn images(
    shared: &AppState,
    cameras: Vec<DeviceKey>,
    online_rate: Option<f64>,
    (from, to): (Timestamp, Timestamp),
) -> Result<Images, Problem> {
    let count = cameras.len();
    let point: PointName = INTACT.parse().map_err(|_| Problem::internal())?;
    let telling: Vec<DeviceKey> = {
        let fleet = shared.fleet();
        let tells =
            |id: &str| fleet.get(&crate::state::DeviceId::new(id)).is_some_and(|it| it.points.get(&point).is_some());
        cameras.into_iter().filter(|(id, ..)| tells(id)).collect()
    };
    let (mut judged, mut intact_ms, mut known_ms, mut incomplete) = (0, 0, 0, false);
    for (camera, counts) in shared.state_readers.read(move |conn| counting(conn, telling, from, to)).await? {
        let (mut of_camera, now) = ((0, 0), shared.clock.wall());
        let spans = spans(shared, &camera).await?;
        for (from, to) in counts {
            let step = window_ms(from, to);
            let resolution = Resolution(step);
            let query = WindowsQuery { spans: spans.clone(), point: point.clone(), from, to, resolution, now };
            let answer = shared.history(move |history| history.windows(&query)).await?;
            incomplete |= !answer.incomplete.is_empty();
            let (spent_ms, _) = spent(answer, step, to.0);
            let of = |word: &str| spent_ms.get(word).copied().unwrap_or(0);
            of_camera = (of_camera.0 + of("yes"), of_camera.1 + of("yes") + of("no"));
        }
        judged += usize::from(of_camera.1 > 0);
        intact_ms += of_camera.0;
        known_ms += of_camera.1;
    }
    let intact_rate = (known_ms > 0).then(|| intact_ms as f64 / known_ms as f64);
    Ok(Images { cameras: count, online_rate, judged, intact_rate, incomplete })
}

/// The parts of a time that count, by camera.
type Counting = Vec<(String, Vec<(Timestamp, Timestamp)>)>;

/// When nobody worked on each of them.
fn counting(
    conn: &Connection,
    cameras: Vec<DeviceKey>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Counting, StoreError> {
    let windows = Windows::within(conn, from.0, to.0)?;
    let of = |(id, site, class): DeviceKey| {
        let counts = windows.outside(&id, &site, &class, (from.0, to.0));
        (id, counts.into_iter().map(|(from, to)| (Timestamp(from), Timestamp(to))).collect())
    };
    Ok(cameras.into_iter().map(of).collect())
}

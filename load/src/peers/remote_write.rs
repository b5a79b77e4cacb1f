//! Prometheus' remote write, as far as a sender needs it (prometheus/prompb, version 0.1.0).

use anyhow::Context as _;
use prost::Message as _;

use super::readings::Post;

#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    time_ms: i64,
}

/// The metric of a column.
pub(crate) fn metric(column: usize) -> String {
    format!("measurement_{column}")
}

/// The body of a request: protobuf, compressed with Snappy.
pub(crate) fn encode(site: &str, post: &Post) -> anyhow::Result<Vec<u8>> {
    let mut series: Vec<TimeSeries> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for poll in &post.polls {
        for (column, value) in poll.cells() {
            let place = *places.entry((poll.device, column)).or_insert_with(|| {
                let label = |name: &str, value: String| Label { name: name.to_owned(), value };
                // Labels must be sorted by name.
                let labels = vec![
                    label("__name__", metric(column)),
                    label("device", format!("device-{}", poll.device)),
                    label("site", site.to_owned()),
                ];
                series.push(TimeSeries { labels, samples: Vec::new() });
                series.len() - 1
            });
            series[place].samples.push(Sample { value, time_ms: poll.time_ms });
        }
    }
    let plain = WriteRequest { series }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&plain).context("compressing a request failed")
}

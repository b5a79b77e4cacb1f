//! The messages of remote write 1.0 and how they are packed.

use prost::Message;

use crate::monitoring::Labels;

/// What names a series: its metric, the labels of its point, and the state that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SeriesName {
    pub(super) metric: &'static str,
    pub(super) labels: Labels,
    pub(super) state: Option<String>,
}

/// Samples of one series: milliseconds since 1970, and values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: SeriesName,
    pub(super) samples: Vec<(i64, f64)>,
}

/// What Prometheus takes for the end of a series: from here on it shows nothing, rather than the last value.
pub(super) fn stale() -> f64 {
    f64::from_bits(0x7ff0_0000_0000_0002)
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// The body of a request: protobuf, packed with snappy's block format.
pub(super) fn pack(series: &[Series]) -> Result<Vec<u8>, snap::Error> {
    let label = |name: &str, value: &str| Label { name: name.to_owned(), value: value.to_owned() };
    let timeseries = series.iter().map(|series| {
        let SeriesName { metric, labels, state } = &series.name;
        // In the order of their names, as receivers demand; `__name__` comes before all others.
        let pairs = labels.pairs().map(|(name, value)| label(name, value));
        let state = state.as_ref().map(|state| label("state", state));
        let labels = std::iter::once(label("__name__", metric)).chain(pairs).chain(state).collect();
        let samples = series.samples.iter().map(|(timestamp, value)| Sample { value: *value, timestamp: *timestamp });
        TimeSeries { labels, samples: samples.collect() }
    });
    let request = WriteRequest { timeseries: timeseries.collect() };
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec())
}

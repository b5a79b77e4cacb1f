//! What holds of every decoder that takes frames out of a stream.

use bytes::BytesMut;

/// Takes everything out of `data`. Whatever is found or refused must take bytes, or the same would be found for ever.
/// `None`: the decoder gave the stream up.
pub(crate) fn drain<T, E>(
    data: &[u8],
    mut decode: impl FnMut(&mut BytesMut) -> Result<Option<T>, E>,
    gives_up: bool,
) -> Option<(Vec<T>, BytesMut)> {
    let mut buffer = BytesMut::from(data);
    let mut found = Vec::new();
    loop {
        let before = buffer.len();
        match decode(&mut buffer) {
            Ok(None) => return Some((found, buffer)),
            Ok(Some(frame)) => found.push(frame),
            Err(_) if gives_up => return None,
            Err(_) => {}
        }
        assert!(buffer.len() < before, "something was found, and no byte was taken");
    }
}

/// The same bytes in two pieces hold the same frames.
pub(crate) fn in_pieces<T: PartialEq + std::fmt::Debug, E>(
    data: &[u8],
    mut decode: impl FnMut(&mut BytesMut) -> Result<Option<T>, E>,
    gives_up: bool,
) {
    let whole = drain(data, &mut decode, gives_up).map(|(found, _)| found);
    // The first byte says where to cut, so that a fuzzer can move it.
    let at = data.first().map_or(0, |byte| usize::from(*byte)).min(data.len());
    let Some((mut found, rest)) = drain(&data[..at], &mut decode, gives_up) else {
        assert_eq!(whole, None, "given up in the first piece only");
        return;
    };
    let joined = [&rest[..], &data[at..]].concat();
    let second = drain(&joined, &mut decode, gives_up).map(|(found, _)| found);
    match (whole, second) {
        (Some(whole), Some(second)) => {
            found.extend(second);
            assert_eq!(whole, found, "cut at {at}");
        }
        (whole, second) => assert_eq!(whole.is_some(), second.is_some(), "cut at {at}"),
    }
}

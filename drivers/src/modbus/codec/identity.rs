//! Read device identification: function 43, type 14. Pure.

use super::error::FrameError;
use super::pdu::Exception;

/// Function and type.
const FUNCTION: u8 = 0x2B;
const TYPE: u8 = 0x0E;
/// The objects that every device with an identification has: maker, product, revision.
const BASIC: u8 = 1;
/// Function code and data before the first object.
const HEADER: usize = 7;

/// Part of an identification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Objects {
    /// Number and value of each object.
    pub objects: Vec<(u8, Vec<u8>)>,
    /// The object that must be asked for next, if the answer had no room for it.
    pub next: Option<u8>,
}

/// Function code and data of a question for the basic objects from `object` on.
#[must_use]
pub fn question(object: u8) -> [u8; 4] {
    [FUNCTION, TYPE, BASIC, object]
}

/// How long the answer is whose function code these bytes begin with. `None`: too short to tell; zero: it is none.
#[must_use]
pub fn answer_length(pdu: &[u8]) -> Option<usize> {
    match pdu.first()? {
        0xAB => return Some(2),
        &FUNCTION => {}
        _ => return Some(0),
    }
    if *pdu.get(1)? != TYPE {
        return Some(0);
    }
    let mut length = HEADER;
    for _ in 0..*pdu.get(HEADER - 1)? {
        length += 2 + usize::from(*pdu.get(length + 1)?);
    }
    Some(length)
}

/// Reads an answer: function code and data, whole.
///
/// # Errors
/// When it is no answer to such a question.
pub fn read_answer(pdu: &[u8]) -> Result<Result<Objects, Exception>, FrameError> {
    match pdu {
        [0xAB, exception] => return Ok(Err(Exception(*exception))),
        [FUNCTION, TYPE, ..] if answer_length(pdu) == Some(pdu.len()) => {}
        [FUNCTION, ..] => return Err(FrameError::WrongContent),
        [got, ..] => return Err(FrameError::WrongFunction { expected: FUNCTION, got: *got }),
        [] => return Err(FrameError::WrongContent),
    }
    let (header, mut rest) = pdu.split_at(HEADER);
    let mut objects = Vec::new();
    while let [object, length, data @ ..] = rest {
        let Some((value, behind)) = data.split_at_checked(usize::from(*length)) else {
            return Err(FrameError::WrongContent);
        };
        objects.push((*object, value.to_vec()));
        rest = behind;
    }
    let next = (header[4] == 0xFF).then_some(header[5]);
    Ok(Ok(Objects { objects, next }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(more: u8, next: u8, objects: &[(u8, &[u8])]) -> Vec<u8> {
        let mut pdu = vec![0x2B, 0x0E, 1, 1, more, next, objects.len() as u8];
        for (object, value) in objects {
            pdu.extend([*object, value.len() as u8]);
            pdu.extend_from_slice(value);
        }
        pdu
    }

    #[test]
    fn objects_are_read_and_half_an_answer_waits() {
        let pdu = answer(0, 0, &[(0, b"Company identification"), (1, b"Product code XX"), (2, b"V2.11")]);
        for length in 0..pdu.len() {
            // Whatever is known early is right.
            assert!(answer_length(&pdu[..length]).is_none_or(|said| said == pdu.len()), "{length}");
        }
        let Objects { objects, next } = read_answer(&pdu).unwrap().unwrap();
        assert_eq!(objects[1], (1, b"Product code XX".to_vec()));
        assert_eq!((objects.len(), next), (3, None));
        let first = answer(0xFF, 1, &[(0, b"Maker")]);
        assert_eq!(read_answer(&first).unwrap().unwrap().next, Some(1));
    }

    #[test]
    fn a_refusal_and_another_function_are_told_apart() {
        assert_eq!(read_answer(&[0xAB, 1]).unwrap(), Err(Exception::ILLEGAL_FUNCTION));
        assert!(matches!(read_answer(&[3, 2, 0, 7]), Err(FrameError::WrongFunction { .. })));
        assert_eq!(answer_length(&[3, 2, 0, 7]), Some(0));
        let mut short = answer(0, 0, &[(0, b"Maker")]);
        short.pop();
        assert!(read_answer(&short).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(pdu in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = answer_length(&pdu);
            let _ = read_answer(&pdu);
        }
    }
}

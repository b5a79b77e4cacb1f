//! How an agent reaches a device, as one line of text.

use super::trouble::Words;

/// `KIND KEY=VALUE … # KEY=VALUE …`: the settings of the link, and behind the `#` those of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The link's kind.
    pub kind: String,
    /// The link's settings.
    pub link: Vec<(String, String)>,
    /// The device's settings.
    pub device: Vec<(String, String)>,
}

impl Address {
    /// Reads it; `None` for an empty text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Words> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let wrong = |zh: &str, en: &str| Words { zh: zh.to_owned(), en: en.to_owned() };
        let words = words(text).ok_or_else(|| wrong("引号没有闭合", "a quotation mark is not closed"))?;
        let mut words = words.into_iter();
        let kind = words.next().filter(|kind| is_name(kind)).ok_or_else(|| {
            wrong("应以连接类型开头，例如 modbus", "it must begin with the kind of the link, such as modbus")
        })?;
        let (mut address, mut device) = (Self { kind, link: Vec::new(), device: Vec::new() }, false);
        for word in words {
            if word == "#" && !device {
                device = true;
                continue;
            }
            let pair = word.split_once('=').filter(|(key, _)| is_name(key));
            let Some((key, value)) = pair else {
                let en = format!("\"{word}\" is not KEY=VALUE");
                return Err(Words { zh: format!("“{word}”不是 键=值"), en });
            };
            let side = if device { &mut address.device } else { &mut address.link };
            if side.iter().any(|(known, _)| known == key) {
                return Err(Words { zh: format!("“{key}”重复"), en: format!("\"{key}\" stands there twice") });
            }
            side.push((key.to_owned(), value.to_owned()));
        }
        Ok(Some(address))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

/// Words between blanks; quotation marks keep blanks together. `None` when one is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for letter in text.chars() {
        match letter {
            '"' => (quoted, begun) = (!quoted, true),
            letter if letter.is_whitespace() && !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            letter => {
                word.push(letter);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let address = Address::parse("modbus tcp=192.0.2.10:502 # unit=1 label=\"a b\"").unwrap().unwrap();
        assert_eq!(address.kind, "modbus");
        assert_eq!(address.link, [("tcp".to_owned(), "192.0.2.10:502".to_owned())]);
        assert_eq!(address.device[1], ("label".to_owned(), "a b".to_owned()));
        assert_eq!(Address::parse("  ").unwrap(), None);
        for wrong in ["=", "modbus tcp", "modbus \"tcp=1", "modbus a=1 a=2", "Modbus a=1", "modbus # # a=1"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}

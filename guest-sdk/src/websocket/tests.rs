use super::{CloseFrame, FromMessage, IntoReply, Message, Reply};
use crate::Close;

#[test]
fn a_message_is_taken_as_the_type_that_is_asked_for() {
    let text = Message::Text("é".to_owned());
    let bytes = Message::Binary(vec![0xe9]);
    assert_eq!(Message::from_message(bytes.clone()), Ok(bytes.clone()));
    assert_eq!(String::from_message(text.clone()), Ok("é".to_owned()));
    assert_eq!(Vec::<u8>::from_message(text), Ok("é".as_bytes().to_vec()));
    assert_eq!(Vec::<u8>::from_message(bytes.clone()), Ok(vec![0xe9]));
    let refused = CloseFrame { code: 1003, reason: "text only".to_owned() };
    assert_eq!(String::from_message(bytes), Err(Reply::Close(Some(refused))));
}

#[test]
fn each_return_type_is_its_reply() {
    let text = |text: &str| Reply::Message(Message::Text(text.to_owned()));
    let close = CloseFrame { code: 4000, reason: "enough".to_owned() };
    assert_eq!(().into_reply(), Reply::Nothing);
    assert_eq!("a".into_reply(), text("a"));
    assert_eq!("a".to_owned().into_reply(), text("a"));
    assert_eq!(Message::Text("a".to_owned()).into_reply(), text("a"));
    assert_eq!(vec![1].into_reply(), Reply::Message(Message::Binary(vec![1])));
    assert_eq!(Some("a").into_reply(), text("a"));
    assert_eq!(None::<String>.into_reply(), Reply::Nothing);
    assert_eq!(Close.into_reply(), Reply::Close(None));
    assert_eq!(close.clone().into_reply(), Reply::Close(Some(close)));
    assert_eq!(Ok::<_, String>("a").into_reply(), text("a"));
    assert_eq!(text("a").into_reply(), text("a"));
}

//! Signing in message by message, with the questions of keyboard-interactive (RFC 4256), the change of an expired
//! password (RFC 4252, section 8), and the device that shows codes.

use homeportd::auth::totp::{TotpSecret, step_at};
use homeportd::domain::user::{User, UserName};
use homeportd::store::Store as _;
use serde_json::Value;

use crate::server::TestServer;
use crate::ssh::{DISCONNECT, FAILURE, Message, SUCCESS, Ssh};
use crate::store::with_store;
use crate::transport::split_string;

/// SSH_MSG_USERAUTH_INFO_REQUEST: questions (RFC 4256, section 3.2). By the method `password`, the same number is
/// SSH_MSG_USERAUTH_PASSWD_CHANGEREQ: the password has expired (RFC 4252, section 8).
const QUESTIONS: u8 = 60;

/// A user's second factor, as `user totp enroll` has printed it.
pub struct Device {
    /// The secret, of which the device makes codes.
    pub secret: TotpSecret,
    /// The recovery codes.
    pub codes: Vec<String>,
}

impl Device {
    /// Gives a user a second factor; `more` are further arguments of the command.
    pub fn enroll(server: &TestServer, user: &str, more: &[&str]) -> Self {
        let command = [&["user", "totp", "enroll", user, "--json"][..], more].concat();
        let shown: Value = serde_json::from_str(&server.admin_ok(&command, "")).unwrap();
        let codes = shown["recovery_codes"].as_array().unwrap();
        Self {
            secret: TotpSecret::from_base32(shown["secret"].as_str().unwrap()).unwrap(),
            codes: codes
                .iter()
                .map(|code| code.as_str().unwrap().to_owned())
                .collect(),
        }
    }

    /// Returns the code of this step, or of one some steps later, which the grace covers.
    pub fn code(&self, later: i64) -> String {
        self.secret
            .code(step_at(jiff::Timestamp::now().as_second()) + later)
    }

    /// Returns six digits that are not a code now.
    pub fn wrong(&self) -> String {
        let number: u32 = self.code(0).parse().unwrap();
        format!("{:06}", (number + 499_999) % 1_000_000)
    }
}

/// What the server answers to an attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// The user is signed in.
    SignedIn,
    /// The server asks these questions.
    Asks(Vec<String>),
    /// The password is right, and the server asks for a new one with these words.
    NewPassword(String),
    /// The methods that the client may go on with.
    Partly(String),
    /// The attempt was refused; these methods may go on.
    Refused(String),
    /// The connection was ended.
    Ended,
}

/// A connection that is signing in.
pub struct SignInTalk {
    /// The connection.
    pub ssh: Ssh,
    /// The name that is sent from now on.
    pub user: &'static str,
    /// Whether the last request was by the method `password`.
    by_password: bool,
}

impl SignInTalk {
    /// Connects, and requests the service ssh-userauth.
    pub fn begin(server: &TestServer, user: &'static str) -> Self {
        let mut ssh = Ssh::connect(server.port());
        ssh.send(&Message::new(5).string("ssh-userauth"));
        Self {
            ssh,
            user,
            by_password: false,
        }
    }

    fn request(&mut self, method: &str) -> Message {
        self.by_password = method == "password";
        Message::new(50)
            .string(self.user)
            .string("ssh-connection")
            .string(method)
    }

    /// Returns what the server answers next.
    pub fn answered(&mut self) -> Answered {
        loop {
            let Ok(message) = self.ssh.receive() else {
                return Answered::Ended;
            };
            match message[0] {
                SUCCESS => return Answered::SignedIn,
                DISCONNECT => return Answered::Ended,
                FAILURE => {
                    let (methods, rest) = split_string(&message[1..]);
                    let methods = String::from_utf8(methods.to_vec()).unwrap();
                    return match rest {
                        [0] => Answered::Refused(methods),
                        _ => Answered::Partly(methods),
                    };
                }
                QUESTIONS if self.by_password => return Answered::NewPassword(change_prompt(&message)),
                QUESTIONS => return Answered::Asks(prompts(&message)),
                _ => {}
            }
        }
    }

    /// Tries a password by the method of that name.
    pub fn by_password(&mut self, password: &str) -> Answered {
        let request = self.request("password").byte(0).string(password);
        let _ = self.ssh.try_send(&request);
        self.answered()
    }

    /// Asks for a change of the password by the method of that name.
    pub fn change_password(&mut self, old: &str, new: &[u8]) -> Answered {
        let request = self.request("password").byte(1).string(old).string(new);
        let _ = self.ssh.try_send(&request);
        self.answered()
    }

    /// Signs with the user's key.
    pub fn by_key(&mut self, server: &TestServer) -> Answered {
        self.by_password = false;
        self.ssh.sign(self.user, &server.key(self.user));
        self.answered()
    }

    /// Begins keyboard-interactive.
    pub fn by_questions(&mut self) -> Answered {
        let request = self.request("keyboard-interactive").string("").string("");
        self.ssh.send(&request);
        self.answered()
    }

    /// Answers the server's questions, with any number of answers.
    pub fn answer(&mut self, answers: &[&[u8]]) -> Answered {
        let count = u32::try_from(answers.len()).unwrap();
        let message = answers
            .iter()
            .fold(Message::new(61).u32(count), |message, answer| {
                message.string(answer)
            });
        let _ = self.ssh.try_send(&message);
        self.answered()
    }
}

/// Reads the prompts of a message, none of which may be shown while it is answered.
fn prompts(message: &[u8]) -> Vec<String> {
    let (_name, rest) = split_string(&message[1..]);
    let (_instructions, rest) = split_string(rest);
    let (_language, rest) = split_string(rest);
    let (count, mut rest) = rest.split_at(4);
    let count = u32::from_be_bytes(count.try_into().unwrap());
    (0..count)
        .map(|_| {
            let (prompt, more) = split_string(rest);
            assert_eq!(more[0], 0, "nothing that is typed is shown");
            rest = &more[1..];
            String::from_utf8(prompt.to_vec()).unwrap()
        })
        .collect()
}

/// Reads the words of the request for a new password, which are in English.
fn change_prompt(message: &[u8]) -> String {
    let (prompt, rest) = split_string(&message[1..]);
    let (language, rest) = split_string(rest);
    assert_eq!((language, rest), (&b"en"[..], &b""[..]));
    String::from_utf8(prompt.to_vec()).unwrap()
}

/// Lets the user's password be so old that it has expired, where passwords do.
pub fn expire_password(server: &TestServer, user: &str) {
    let user: UserName = user.parse().unwrap();
    let change = Box::new(|user: &mut User| {
        user.password_set_at = Some(jiff::Timestamp::UNIX_EPOCH);
        Ok(())
    });
    with_store(server, async |store| {
        store.change_user(&user, change).await.unwrap()
    });
}

/// The question for a one-time code.
pub const CODE: &str = "Verification code: ";
/// The question for a password.
pub const PASSWORD: &str = "Password: ";

impl Answered {
    /// Returns the answer that is one question.
    pub fn asks(prompt: &str) -> Self {
        Self::Asks(vec![prompt.to_owned()])
    }

    /// Returns the answer that is a partial success.
    pub fn partly(methods: &str) -> Self {
        Self::Partly(methods.to_owned())
    }
}

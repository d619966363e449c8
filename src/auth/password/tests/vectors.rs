//! Hashes that other programs have made of known passwords: crypt(3) of libxcrypt 4.4, `openssl passwd`, Python's
//! hashlib; and the example in SFTPGo's manual.

/// The hashes of functions of C, with the passwords.
pub(super) const CRYPT: &[(&str, &[u8])] = &[
    (
        "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        b"secret",
    ),
    (
        "$2a$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq",
        b"",
    ),
    (
        "$2a$04$abcdefghijklmnopqrstuuMK7dsX/j/393jVctQZ2X725M5PNRo4W",
        b"p\xe4ssword",
    ),
    (
        "$2a$04$abcdefghijklmnopqrstuucKNeMXKIWO2cGTyt8O.Ml804cDJwrl6",
        b"Schl\xc3\xbcssel \xe9\x90\x98",
    ),
    (
        "$2a$04$abcdefghijklmnopqrstuuMCu.k1vM/ywQwiONaEn3oEMlZoCVBd6",
        &[b'a'; 71],
    ),
    (
        "$2a$04$abcdefghijklmnopqrstuuUJf9qAIqFFWObw4K4AvdtuO.PaE5J/W",
        &[b'b'; 72],
    ),
    (
        "$2a$04$abcdefghijklmnopqrstuuogRL5VQwGjcLu2sTFXkuj.Qf1F2dCtK",
        &[b'c'; 73],
    ),
    (
        "$2a$04$abcdefghijklmnopqrstuu6rixEKGOItKC5i1MvdHHlmR36LXX0vG",
        b"correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple ",
    ),
    (
        "$2b$04$OEv83hRl.wXtzzbXqTnrTeT.7HummiC94fFChWqB03qz4L4mP2P3e",
        b"secret",
    ),
    (
        "$2b$04$OEv83hRl.wXtzzbXqTnrTeN4vf/1ckA/erUqtsLxkVDBvWG6nHOkO",
        b"",
    ),
    (
        "$2b$04$OEv83hRl.wXtzzbXqTnrTegHlpbAC5M3IonH8i6QdU2wWvaQjdAy2",
        b"p\xe4ssword",
    ),
    (
        "$2b$04$OEv83hRl.wXtzzbXqTnrTeFdIUc3FOD5v/SbNCaYHrVOpAy9WhoH.",
        b"Schl\xc3\xbcssel \xe9\x90\x98",
    ),
    (
        "$2b$04$OEv83hRl.wXtzzbXqTnrTe1ECSDdUX01ipXiYw4asefRftk1A8sMe",
        &[b'a'; 71],
    ),
    (
        "$2b$04$OEv83hRl.wXtzzbXqTnrTejYwj83L5dmLZX6klp7h1E8NBiDXA75y",
        &[b'b'; 72],
    ),
    (
        "$2b$04$OEv83hRl.wXtzzbXqTnrTeOaSxhg16SrvJOLZvE48EVoCohpa7/ty",
        &[b'c'; 73],
    ),
    (
        "$2b$04$OEv83hRl.wXtzzbXqTnrTeBzzV2Qz.y/bkgeirtniJ1aOIoiXPcjq",
        b"correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple ",
    ),
    (
        "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        b"secret",
    ),
    (
        "$2y$05$abcdefghijklmnopqrstuu0oImNDIy4flhldV9YqunRgBAePKmw7m",
        b"",
    ),
    (
        "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
        b"secret",
    ),
    (
        "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/",
        b"",
    ),
    (
        "$1$abcdefgh$FxzDz4JJC1GA5O7YphZu3/",
        b"p\xe4ssword",
    ),
    (
        "$1$abcdefgh$.G2JfjxJ6960T/fVBpU3t0",
        b"Schl\xc3\xbcssel \xe9\x90\x98",
    ),
    (
        "$1$abcdefgh$1lXRz/jD.BbkJ8W1QXqIN1",
        &[b'a'; 71],
    ),
    (
        "$1$abcdefgh$mh5R8C6xXdFDmoxka96sv1",
        &[b'b'; 72],
    ),
    (
        "$1$abcdefgh$MA9O/BiMQkQ15KRX18GhV1",
        &[b'c'; 73],
    ),
    (
        "$1$abcdefgh$BfULCkoo1qC2LcXw6vWgh.",
        b"correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple ",
    ),
    (
        "$1$ab$dslkcXxVH.x8LwW1W/oAB/",
        b"secret",
    ),
    (
        "$1$ab$rn6aQS/o7141mj179E/zA.",
        b"",
    ),
    (
        "$1$ab$7IZbWqQOIQ38ArniuaA9i/",
        b"p\xe4ssword",
    ),
    (
        "$1$$ysVNzQc4CTMkp5daOdZ.3/",
        b"secret",
    ),
    (
        "$5$saltstring$C3o4O1TC6aRHF4FI.QSZMXtHbaj2gSXr4sUc/3NcUi.",
        b"secret",
    ),
    (
        "$5$saltstring$FdNfA4gXqvCeO6iZs7G/.wwwoywYZqo0l1pwmfWaBA7",
        b"",
    ),
    (
        "$5$saltstring$qafuTsTTkNhxwIyTJJgnh16jp89mOD9ZW59yh8YkA43",
        b"p\xe4ssword",
    ),
    (
        "$5$saltstring$u6VwEMhh6NXXjJtgjNEvp.PuIMs8bdApIGW6Wx2EY.1",
        b"Schl\xc3\xbcssel \xe9\x90\x98",
    ),
    (
        "$5$saltstring$pvz/fPRJE2AjXHW.xm.diE1RPjuqn8zjvZj7c5fpeA9",
        &[b'a'; 71],
    ),
    (
        "$5$saltstring$nE2kIG2345Dccm1DHorRMMTK.FnEC.SH5ioyEdPue./",
        &[b'b'; 72],
    ),
    (
        "$5$saltstring$.O/IyzeblSZzLs4wxCvtbS/Ne367vGgIzZ1jZ4UBm9/",
        &[b'c'; 73],
    ),
    (
        "$5$saltstring$TOm2r96LPvOLp8hr6.7EiA1.6t9TlMyOfOJqoDYQpf2",
        b"correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple ",
    ),
    (
        "$5$rounds=1000$roundstoolow$xf5WsimL7u0Oyrw684piDNGSk656sExcVvnSu0d.ue9",
        b"secret",
    ),
    (
        "$5$rounds=1000$roundstoolow$niVCJEvB6P1KwYyyfs6BA2Pdtl825YGAw2eO8ELolF1",
        b"",
    ),
    (
        "$5$rounds=10000$saltstringsaltst$nRVJUfBu7b60x4u50TScFun8GLsggmlJvebgklaft49",
        b"secret",
    ),
    (
        "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.",
        b"secret",
    ),
    (
        "$6$saltstring$kyGrqt6gmjAdtFLPrflEFifSYLCWWq1pyx95SvqinLDy2UHmj0sTF0MSLMwxPFZc3tu5kQckI8fks0zOPda3n1",
        b"",
    ),
    (
        "$6$saltstring$cf5Wolm8n0i6gfTyE0c4JnrINb6bfNOSXIab2v6RscTyKjQLJCDEVKH30piwdUfZSkqgFPd5fCF9FBrxbtgcd0",
        b"p\xe4ssword",
    ),
    (
        "$6$saltstring$U6NYt/rjsLqGH1bYeARpA.P1nAJnxESUHsykCtZUdznhwyrd9RjBVtwTJe.Uw52lq8RX/eniU0VJa3KbUU79V0",
        b"Schl\xc3\xbcssel \xe9\x90\x98",
    ),
    (
        "$6$saltstring$qgWQfaBfY1BRCSRgahXXZvSSwWR5/crOYY66StLGK8VAXasrc7b.l38011Icie2p70ncNRq9FhiN1HWKO2wy.0",
        &[b'a'; 71],
    ),
    (
        "$6$saltstring$aCmmoohez7Jnure68zKSLHN93qZYrmfs6kJdBgpfep1UY6flLcZtzqCkX6N1uFysn6nOrnAibr4x83luqW0Uv.",
        &[b'b'; 72],
    ),
    (
        "$6$saltstring$u8ITC3PqicRhfMEbbhOZA7rXpPYLCBu4pTpKC.otTmgY7vn6QJ.03tQdQ9HikXVFarc33YY36Djh1rAcDE6h1.",
        &[b'c'; 73],
    ),
    (
        "$6$saltstring$cN1JCnIj101yuqqI00s93KsWC/M2VXgqWz1bl7qzQBSlxBN8rlFM5jc8MVp/OXkGGfYNy9Fx4XqN8IjT3Bb6M1",
        b"correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple ",
    ),
    (
        "$6$rounds=1000$roundstoolow$MeVKYy05sBtwGM.4HIUVk8vIjgUjXpV/ChMGL89KNa8RRMfB0rp0ws3ty/zRJWlLgOA0UIXn1/MRF91HJw7.V1",
        b"secret",
    ),
    (
        "$6$rounds=1000$roundstoolow$FbGJa2cN7X1oOy/vdHJmVcHMYxGfw.yEPe9H9LlAjrQiAheUMPHJfBWBz1tsMg/YuC4ZZUe7GViu2bGZz2X961",
        b"",
    ),
    (
        "$6$rounds=10000$saltstringsaltst$pd39sho0N9RQ9kBqr/GiEIzaHjerJu4CxVPYePE5jfjjCMuAhIOMsxD1YmKDs5O3f7YzXBxZgxuvn9U1eorJM/",
        b"secret",
    ),
    (
        "$y$j75$abcdefghijklmnop$vZlXu1XtxOBWRxjOpQqONp1WYfMO0dN.H4xeSMU2ZvC",
        b"secret",
    ),
    (
        "$y$j75$abcdefghijklmnop$W3jLI.KDs1Jg0xC2FrQ1TMiJW.pH0hPvINobN2Hlvw9",
        b"",
    ),
    (
        "$y$j75$abcdefghijklmnop$egkMuyRNk1dKNTTFcdQjX7Z76aQ1w3lBKrAuuVK0eS9",
        b"p\xe4ssword",
    ),
    (
        "$y$j75$abcdefghijklmnop$idKM5hQ2MppkM97w5ln0.BVK3lMJUn9Zd6pXCgo313A",
        b"Schl\xc3\xbcssel \xe9\x90\x98",
    ),
    (
        "$y$j75$abcdefghijklmnop$0Pwni.wo61bKVfyz.IgKzUbOtNHq/yZxq4WchaFzpT2",
        &[b'a'; 71],
    ),
    (
        "$y$j75$abcdefghijklmnop$3qG2n.rNNS5tp.s6bSWanlnzNmS48jWfNo0VyIqgKd7",
        &[b'b'; 72],
    ),
    (
        "$y$j75$abcdefghijklmnop$7oFGQoVJWf.qo.O7wVOGfiLT33Imiu/xdueUbaZaUh5",
        &[b'c'; 73],
    ),
    (
        "$y$j75$abcdefghijklmnop$e22yPhZ28aSzjJ/7QyHksMYPPMcFzZc08ycZwra4.J7",
        b"correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple correct horse battery staple ",
    ),
    (
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0",
        b"secret",
    ),
    (
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$5P1uc1zvKhieqEtKttbwCQrTPXpY1cK9wEnTDKAqLD8",
        b"",
    ),
    (
        "$y$j85$saltsalt$7weT/udH3q5GV4XXIxMPelN2/.HftnbFOyr4S0g7UgB",
        b"secret",
    ),
    (
        "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
        b"secret",
    ),
    (
        "$apr1$ab$FH/wrh1FLRfeI48WT8Ifu1",
        b"correct horse battery staple",
    ),
];

/// The hashes of functions that take all bytes, with the passwords.
pub(super) const BYTES: &[(&str, &[u8])] = &[
    (
        "$pbkdf2-sha1$1000$E86a9YMX3zC7$hz7TvkxXxCRb49K/XFmPMC9VVaA=",
        b"secret",
    ),
    (
        "$pbkdf2-sha1$1000$E86a9YMX3zC7$bkMCzrPWQcUDWZGZGgNTRUt27cY=",
        b"p\xe4ssword",
    ),
    (
        "$pbkdf2-sha1$1000$E86a9YMX3zC7$QNuuSUgatfngjLMrj1KJJY8raD0=",
        b"a\x00b",
    ),
    (
        "$pbkdf2-sha1$1000$E86a9YMX3zC7$dSkGbAeLflpZE032iWe59tAzzP8=",
        &[b'x'; 200],
    ),
    (
        "$pbkdf2-sha256$1000$E86a9YMX3zC7$XfjWMLcvbZceSv9fFPj+HtJxb+Br7J8rDSOwJWTAc8Y=",
        b"secret",
    ),
    (
        "$pbkdf2-sha256$1000$E86a9YMX3zC7$nf6EaMrON38omtk/eX0TjJ//yDUXlv1yBmVAegCZCXs=",
        b"p\xe4ssword",
    ),
    (
        "$pbkdf2-sha256$1000$E86a9YMX3zC7$py2IpY33oMmw2yx/DP6vLPa0DSB5WI2Xn7hbQmFgcfM=",
        b"a\x00b",
    ),
    (
        "$pbkdf2-sha256$1000$E86a9YMX3zC7$KmqRnT1R8TgVcP39dSkDslua7PMRs7TYFrPrPR7gv94=",
        &[b'x'; 200],
    ),
    (
        "$pbkdf2-sha512$1000$E86a9YMX3zC7$iCMFv3buFlu7qvjfPyNLLx2t+emjW761G4qQV3lQFkAT2+eBr81OD6bSl7sO5C/jmpkHw7TbneiGZCZf3/uUgw==",
        b"secret",
    ),
    (
        "$pbkdf2-sha512$1000$E86a9YMX3zC7$ZUrmTZUCy8OTkXi/MEJOumU3Gr/TxEU0Qcoe3/alOD0QymrHY9ORrckyKXnMOTTEcrjqcOUlY3MXjTkjtpgqxA==",
        b"p\xe4ssword",
    ),
    (
        "$pbkdf2-sha512$1000$E86a9YMX3zC7$FrwKLo0Xq9e6K/BGwBmRr41eAj50y6q+fT8wNIkHtZE+DWaHk1ZMk/VejTJ9XCr86mFXfQn2R1gxNQ4hIt2UzQ==",
        b"a\x00b",
    ),
    (
        "$pbkdf2-sha512$1000$E86a9YMX3zC7$413yg43MqCG4y8mMrPmMBj/gzPDaMyBRci6fHEsQV+upkR0AvOpw5x2BLzFl2QDII8bBRnNwBYmvDkZGawLfHA==",
        &[b'x'; 200],
    ),
    (
        "$pbkdf2-b64salt-sha256$1000$AAECAwQFBgcICQoLDA0ODw==$Tvsru20utY6o3q7VRBeuL9h/1QqKhWhwk2PaYNRWBgY=",
        b"secret",
    ),
    (
        "$pbkdf2-sha256$150000$E86a9YMX3zC7$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=",
        b"password",
    ),
    (
        "{SSHA512}aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4mUfp63tqvCAkFV1LKTDFH6XNhbHRzYWx0",
        b"secret",
    ),
    (
        "{SSHA512}wq0UKDHgLFLVKTvfm4XXzvg2aA8ae4G1FDnOmw5R7kD/bBIBD8zhbHQQsjQWgj6zWJKHkUx69gwGoO/nFA8eOXNhbHQ=",
        b"a\x00b",
    ),
];

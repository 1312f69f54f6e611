"""Captions by hand, in many styles, with everything that they state."""

from typing import Any


def course(quantity: str, direction: str, place: str | None = None) -> dict[str, str | None]:
    return {"quantity": quantity, "direction": direction, "place": place}


def pauses(count: str, place: str | None = None) -> dict[str, str | None]:
    return {"count": count, "place": place}


def sound(name: str, place: str | None = None) -> dict[str, str | None]:
    return {"sound": name, "place": place}


CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    # Classes before, after and beside their head.
    ("A man speaks in a low voice.", {"gender": "male", "pitch": "low"}),
    ("A deep-voiced man speaks.", {"gender": "male", "pitch": "low"}),
    ("Her high-pitched voice is loud.", {"gender": "female", "pitch": "high", "volume": "loud"}),
    ("The voice is high pitched and quiet.", {"pitch": "high", "volume": "soft"}),
    ("The speaker talks at a high volume.", {"volume": "loud"}),
    ("The speaker talks at a low volume and in a high register.", {"volume": "soft", "pitch": "high"}),
    ("The volume is low while the pitch is high.", {"volume": "soft", "pitch": "high"}),
    ("The pitch is low while the volume is high.", {"volume": "loud", "pitch": "low"}),
    ("A voice that is low in pitch and high in volume.", {"volume": "loud", "pitch": "low"}),
    ("Speech with low pitch and volume.", {"pitch": "low"}),
    ("Low-volume speech at a quick tempo.", {"volume": "soft", "rate": "fast"}),
    (
        "She keeps a moderate pitch, a moderate pace and a moderate volume.",
        {"gender": "female", "pitch": "medium", "rate": "measured", "volume": "moderate"},
    ),
    ("pitch: high, speed: slow, volume: loud", {}),
    ("The pace is slow; the tone is deep.", {"rate": "slow", "pitch": "low"}),
    ("With the volume soft and the tempo brisk, he reads on.", {"gender": "male", "volume": "soft", "rate": "fast"}),
    ("The speaking rate is fast, the loudness moderate.", {"rate": "fast", "volume": "moderate"}),
    ("His rate of speech is unhurried.", {"gender": "male", "rate": "slow"}),
    ("Fast-paced delivery by a soft-spoken woman.", {"rate": "fast", "gender": "female", "volume": "soft"}),
    ("A softly spoken man.", {"gender": "male", "volume": "soft"}),
    ("She has a loud, clear voice.", {"gender": "female", "volume": "loud", "timbre": ("clear",)}),
    ("The speech is slow and quiet.", {"rate": "slow", "volume": "soft"}),
    ("A fast talker with a medium-range voice.", {"rate": "fast", "pitch": "medium"}),
    (
        "He speaks slowly, quietly and in a deep tone.",
        {"gender": "male", "rate": "slow", "volume": "soft", "pitch": "low"},
    ),
    ("She speaks loud and fast.", {"gender": "female", "volume": "loud", "rate": "fast"}),
    ("He begins very softly.", {"gender": "male", "volume": "soft"}),
    ("The lines are delivered rapidly.", {"rate": "fast"}),
    ("She reads every word slowly.", {"gender": "female", "rate": "slow"}),
    # Mixtures.
    ("A medium-high pitched voice.", {"pitch": "high"}),
    ("A low-to-mid frequency.", {"pitch": "low"}),
    ("A medium to low pitch.", {"pitch": "low"}),
    ("A moderate to fast pace.", {"rate": "fast"}),
    ("A pitch that ranges from low to high.", {}),
    ("A low to high pitch.", {}),
    ("A moderately loud volume.", {"volume": "loud"}),
    ("A slow, measured pace.", {"rate": "slow"}),
    ("A mid-low register.", {"pitch": "low"}),
    # Words that look like attributes of the voice and are not.
    ("She speaks with a high level of energy.", {"gender": "female"}),
    ("A high degree of enunciation marks the delivery.", {}),
    ("He is quick to answer.", {"gender": "male"}),
    ("The voice is quick to break.", {}),
    ("A strong accent and high spirits.", {}),
    ("A low-key delivery with deep feeling.", {}),
    ("The energy level is moderate.", {}),
    ("The manner is human and Germanic, a talisman of womanly command.", {}),
    ("The demand for management is high.", {}),
    ("A fast heart rate shows.", {}),
    ("In a quiet room with loud music, someone speaks.", {}),
    ("A high-pitched laugh follows.", {"sounds": [sound("laugh")]}),
    ("He lets out a soft, breathy, high-pitched sigh.", {"gender": "male", "sounds": [sound("sigh")]}),
    ("A deep breath comes before the words.", {"sounds": [sound("breath")]}),
    ("The soft consonants are slow to come.", {}),
    ("She pronounces the warm vowels with bright clarity.", {"gender": "female"}),
    # Negation and comparison.
    ("He does not whisper.", {"gender": "male"}),
    ("She speaks neither fast nor slow.", {"gender": "female"}),
    ("A voice without any breathiness, rasp or nasality.", {}),
    ("Her voice is not loud but soft.", {"gender": "female", "volume": "soft"}),
    ("His pace is never fast, and he speaks softly.", {"gender": "male", "volume": "soft"}),
    ("It isn't a high-pitched voice.", {}),
    ("Calm rather than excited.", {"emotions": ("calm",)}),
    ("He talks as if whispering.", {"gender": "male"}),
    ("She talks as though whispering in a deep voice.", {"gender": "female"}),
    ("Not only loud, the voice is deep too.", {"pitch": "low"}),
    ("Without raising her voice, she speaks slowly.", {"gender": "female", "rate": "slow"}),
    ("She speaks at a crawl.", {"gender": "female", "rate": "slow"}),
    ("He rattles on at breakneck speed.", {"gender": "male", "rate": "fast"}),
    ("The words come at a snail\u2019s pace.", {"rate": "slow"}),
    ("He never speaks at full tilt.", {"gender": "male"}),
    ("Her words are not delivered at a crawl but at a gallop.", {"gender": "female", "rate": "fast"}),
    ("He speaks as if running at top speed.", {"gender": "male"}),
    ("Without being spoken at full speed, the words are loud.", {}),
    ('A man says "at full speed" softly.', {"gender": "male", "volume": "soft"}),
    ("The speech is not an uninterrupted flow.", {}),
    ("He talks as though reading in one continuous stream.", {"gender": "male"}),
    ("Not hurried, she speaks in one unbroken line.", {"gender": "female", "pauses": pauses("none")}),
    # Quotations.
    ('A woman says "he whispers slowly in a deep voice" at a fast pace.', {"gender": "female", "rate": "fast"}),
    ("A man says 'don't speak so loud' in a high voice.", {"gender": "male", "pitch": "high"}),
    ("A man says \u201cgrow louder, girl\u201d quietly.", {"gender": "male", "volume": "soft"}),
    # Who speaks.
    ("A young girl speaks.", {"gender": "female", "age_group": "child"}),
    ("A child's voice, high and bright.", {"age_group": "child", "pitch": "high", "timbre": ("bright",)}),
    ("A middle-aged woman speaks.", {"gender": "female", "age_group": "middle-aged"}),
    ("An elderly gentleman with a thin voice.", {"gender": "male", "age_group": "elderly", "timbre": ("thin",)}),
    ("An old woman and an old habit.", {"gender": "female", "age_group": "elderly"}),
    ("A young adult male.", {"gender": "male", "age_group": "young adult"}),
    ("A woman in her forties.", {"gender": "female", "age_group": "middle-aged"}),
    ("The speaker is male and sounds youthful.", {"gender": "male", "age_group": "young adult"}),
    ("They speak.", {}),
    # Accents.
    ("A speaker with a British accent.", {"accent": "british"}),
    ("A Scottish woman.", {"gender": "female", "accent": "scottish"}),
    ("A voice with a standard American accent.", {"accent": "american"}),
    ("An Indian English accent.", {"accent": "indian"}),
    ("Speaks with a strong South African accent.", {"accent": "south african"}),
    ("An English speaker.", {}),
    ("An English accent.", {"accent": "english"}),
    ("A Southern American accent.", {"accent": "southern american"}),
    ("An accent of its own.", {}),
    # Emotions, timbre and voice quality.
    ("He sounds angry and a little nervous.", {"gender": "male", "emotions": ("angry", "nervous")}),
    ("A cheerful tone that betrays amusement.", {"emotions": ("happy", "amused")}),
    (
        "She whispers with a breathy, trembling voice.",
        {"gender": "female", "voice_qualities": ("whisper", "breathy", "tremulous")},
    ),
    ("A raspy voice with vocal fry.", {"voice_qualities": ("hoarse", "creaky")}),
    ("The voice is nasal, rich and warm.", {"voice_qualities": ("nasal",), "timbre": ("rich", "warm")}),
    ("A hoarse shout.", {"voice_qualities": ("hoarse", "shout")}),
    ("The voice has a smooth, velvety texture.", {"timbre": ("smooth", "velvety")}),
    # Courses.
    (
        "She speaks softly, then grows louder.",
        {"gender": "female", "volume": "soft", "courses": [course("loudness", "rising")]},
    ),
    ("The softer he gets, the more one listens.", {"gender": "male"}),
    (
        "He gets louder and faster towards the end.",
        {"gender": "male", "courses": [course("loudness", "rising", "end"), course("rate", "rising", "end")]},
    ),
    (
        "Her pitch rises at the beginning and falls at the end.",
        {"gender": "female", "courses": [course("pitch", "rising", "beginning"), course("pitch", "falling", "end")]},
    ),
    ("The pitch rises and falls.", {}),
    ("A gentle rise and fall in pitch.", {}),
    ("The volume drops midway.", {"courses": [course("loudness", "falling", "middle")]}),
    ("His voice drops in pitch.", {"gender": "male", "courses": [course("pitch", "falling")]}),
    ("She raises her voice later on.", {"gender": "female", "courses": [course("loudness", "rising", "end")]}),
    ("The voice shifts to a lower register.", {"courses": [course("pitch", "falling")]}),
    (
        "The voice goes on at a lower volume and a slower pace.",
        {"courses": [course("loudness", "falling"), course("rate", "falling")]},
    ),
    ("Halfway through, she speeds up.", {"gender": "female", "courses": [course("rate", "rising", "middle")]}),
    (
        "He slows down, fades and ends with a falling tone.",
        {
            "gender": "male",
            "courses": [course("rate", "falling"), course("loudness", "falling"), course("pitch", "falling", "end")],
        },
    ),
    ("The tempo quickens as the volume swells.", {"courses": [course("rate", "rising"), course("loudness", "rising")]}),
    ("She continues more quietly.", {"gender": "female", "courses": [course("loudness", "falling")]}),
    ("He becomes increasingly loud.", {"gender": "male", "courses": [course("loudness", "rising")]}),
    ("The voice is louder than usual.", {}),
    ("With rising pitch she hurries on.", {"gender": "female", "courses": [course("pitch", "rising")]}),
    ("Her voice rises.", {"gender": "female"}),
    ("The pace picks up.", {"courses": [course("rate", "rising")]}),
    ("The voice does not grow louder.", {}),
    ("A fast start, then the pace becomes slower.", {"courses": [course("rate", "falling")]}),
    # Pauses and sounds.
    ("He pauses.", {"gender": "male", "pauses": pauses("one")}),
    ("After a short pause he goes on.", {"gender": "male", "pauses": pauses("one")}),
    ("She pauses early on and again towards the end, pausing long.", {"gender": "female", "pauses": pauses("several")}),
    (
        "She makes a pause near the beginning; the pause is long.",
        {"gender": "female", "pauses": pauses("one", "beginning")},
    ),
    ("With natural pauses, he reads.", {"gender": "male", "pauses": pauses("several")}),
    ("He pauses several times.", {"gender": "male", "pauses": pauses("several")}),
    ("She speaks without pausing.", {"gender": "female", "pauses": pauses("none")}),
    ("No pauses break the flow.", {"pauses": pauses("none")}),
    ("There are no long pauses.", {}),
    ("He takes a break midway.", {"gender": "male", "pauses": pauses("one", "middle")}),
    ("Her voice breaks.", {"gender": "female"}),
    ("His voice does not break.", {"gender": "male"}),
    ("She never breaks into laughter.", {"gender": "female"}),
    ("A man speaks without breaking off, with no breaks in his voice.", {"gender": "male"}),
    ("She does not take a single break.", {"gender": "female", "pauses": pauses("none")}),
    ("He does not shout and then pauses.", {"gender": "male", "pauses": pauses("one")}),
    ("He never takes any breaks.", {"gender": "male", "pauses": pauses("none")}),
    (
        "She laughs at the start and sighs at the end.",
        {"gender": "female", "sounds": [sound("laugh", "beginning"), sound("sigh", "end")]},
    ),
    (
        "He gasps, clears his throat and coughs.",
        {"gender": "male", "sounds": [sound("gasp"), sound("throat clearing"), sound("cough")]},
    ),
    ("She mutters under her breath.", {"gender": "female"}),
    ("He chuckles without laughing out.", {"gender": "male", "sounds": [sound("laugh")]}),
    # Other styles.
    (
        "A male speaker with a gravelly, low-pitched voice speaks at a fast speed with a Jamaican accent.",
        {"gender": "male", "pitch": "low", "rate": "fast", "accent": "jamaican", "voice_qualities": ("hoarse",)},
    ),
    (
        "Speaking in a hushed tone, the man slows toward the end, his voice trailing off into a whisper.",
        {
            "gender": "male",
            "volume": "soft",
            "voice_qualities": ("whisper",),
            "courses": [course("rate", "falling", "end"), course("loudness", "falling")],
        },
    ),
    (
        "An older female voice delivers the line at a leisurely tempo, with a slight rise in pitch on the final word.",
        {
            "gender": "female",
            "age_group": "elderly",
            "rate": "slow",
            "courses": [course("pitch", "rising", "end")],
        },
    ),
    (
        "The speaker begins quietly and slowly, gradually building in both volume and speed.",
        {"volume": "soft", "rate": "slow", "courses": [course("loudness", "rising"), course("rate", "rising")]},
    ),
    (
        "It opens at a normal pace and with a medium volume but ends up much faster.",
        {"rate": "measured", "volume": "moderate", "courses": [course("rate", "rising", "end")]},
    ),
    ("His pitch is neither high nor low; his speech is quick.", {"gender": "male", "rate": "fast"}),
    ("The man speaks faster than average.", {"gender": "male"}),
    (
        "The volume of her voice is low, the pitch of her voice is high.",
        {"gender": "female", "pitch": "high", "volume": "soft"},
    ),
    (
        "The man's voice is deep, resonant and slow-paced, with long pauses between sentences.",
        {
            "gender": "male",
            "pitch": "low",
            "rate": "slow",
            "timbre": ("resonant",),
            "pauses": pauses("several"),
        },
    ),
    (
        "He lowers his voice midway and pauses briefly before the last phrase.",
        {"gender": "male", "courses": [course("loudness", "falling", "middle")], "pauses": pauses("one", "end")},
    ),
    (
        "The rate of speech increases; the pitch decreases.",
        {"courses": [course("rate", "rising"), course("pitch", "falling")]},
    ),
    ("There's a noticeable drop in volume halfway through.", {"courses": [course("loudness", "falling", "middle")]}),
    (
        "Her voice climbs to a higher pitch while she laughs softly.",
        {"gender": "female", "courses": [course("pitch", "rising")], "sounds": [sound("laugh")]},
    ),
    (
        "The girl giggles, hesitates, then continues in a louder voice.",
        {
            "gender": "female",
            "age_group": "child",
            "courses": [course("loudness", "rising")],
            "sounds": [sound("laugh")],
        },
    ),
    ("The speech tempo is fast and there's no pause at all.", {"rate": "fast", "pauses": pauses("none")}),
    (
        "A man in his 60s with a creaky voice.",
        {"gender": "male", "age_group": "elderly", "voice_qualities": ("creaky",)},
    ),
    ("She'll whisper, he won't.", {"gender": "female", "voice_qualities": ("whisper",)}),
    # Whole captions.
    (
        (
            "A young man with a light, slightly nasal voice starts softly and at an easy pace, then speeds up as his "
            "pitch climbs and his tone turns eager. After a short pause he stresses a single word, lets a breath "
            "escape, and ends slower and lower, sounding pleased."
        ),
        {
            "gender": "male",
            "age_group": "young adult",
            "volume": "soft",
            "emotions": ("excited",),
            "timbre": ("light",),
            "voice_qualities": ("nasal",),
            "courses": [
                course("rate", "rising"),
                course("pitch", "rising"),
                course("rate", "falling", "end"),
                course("pitch", "falling", "end"),
            ],
            "pauses": pauses("one"),
            "sounds": [sound("breath")],
        },
    ),
    (
        "A middle-aged woman speaks in a low, husky voice, softly and at a measured pace, with a calm tone.",
        {
            "gender": "female",
            "age_group": "middle-aged",
            "pitch": "low",
            "rate": "measured",
            "volume": "soft",
            "timbre": ("husky",),
            "emotions": ("calm",),
        },
    ),
    ("There is no speech to describe here.", {"speech": False}),
    ("The clip contains no speech, only wind.", {"speech": False}),
    ("A door slams with no voice or footsteps.", {"speech": False}),
    ("A woman speaks slowly with no speech disfluencies.", {"gender": "female", "rate": "slow"}),
    ("He has no voice tremor.", {"gender": "male"}),
    ("There is no speech impediment in her delivery.", {"gender": "female"}),
    ("A 30 year old man speaks.", {"gender": "male"}),
    ("An old man speaks.", {"gender": "male", "age_group": "elderly"}),
    ("", {}),
    ("12 !!! \u65e5\u672c\u8a9e", {}),
)

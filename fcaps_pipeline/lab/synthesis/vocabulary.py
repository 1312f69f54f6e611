"""Words for `sentences`: nouns, people, places, adjectives, verbs in the past, adverbs, names, times.

Leaves tuples; inflected forms are made here by rule, so every base word is a regular one.
"""

_VOWELS = "aeiou"
_SIBILANTS = ("s", "x", "z", "ch", "sh")


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split()))


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


def plural(noun: str) -> str:
    """Regular plural of a noun.

    Args:
        noun: singular without an irregular plural.
    """
    if noun.endswith(_SIBILANTS):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def past(verb: str) -> str:
    """Regular past of a verb whose last consonant is not doubled."""
    if verb.endswith("e"):
        return f"{verb}d"
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        return f"{verb[:-1]}ied"
    return f"{verb}ed"


def gerund(verb: str) -> str:
    """The form in -ing of a verb whose last consonant is not doubled."""
    return f"{verb[:-1]}ing" if verb.endswith("e") and not verb.endswith("ee") else f"{verb}ing"


NOUNS = _words(
    "album anchor ankle apple apron arch arrow attic axle badge bag ball balloon banana band bandage banner barrel "
    "basin basket bath battery beach beacon bead beam bean beard bed bell belt bench berry bicycle bill biscuit "
    "blanket blossom board boat bolt bone bonnet book boot border bottle boulder bow bowl box bracelet branch brick "
    "bridge broom brush bubble bucket buckle bulb bundle burden bus bush button cabin cabinet cable cage cake "
    "calendar camel camera canal candle cannon canoe canvas cap cape capsule car card carpet carriage carrot cart "
    "carton castle cave ceiling cellar chain chair chalk channel chapter chart cheese cherry chest chestnut chimney "
    "chisel circle circuit clock cloud clover clue coach coat cobweb coffin coil coin collar column comb comet "
    "compass cone contract cookie cork corner corridor costume cottage cotton couch counter cradle crane crate crayon "
    "creek crown crumb crystal cube cucumber cup cupboard curb curtain curve cushion cylinder dagger dam desert desk "
    "diagram diamond diary dictionary dish ditch dollar dome donkey door drain drawer drawing dream dress drill drum "
    "duck dune eagle ear egg elbow elephant engine envelope eraser exit eyebrow fabric faucet feather fence fern "
    "ferry fiddle field figure filter finger flag flame flask float floor flower flute folder fork fortress fossil "
    "fountain frame freezer frog fruit funnel furnace gadget garage garden garlic garment gate gauge gem ghost giant "
    "glacier glove goat goggle gown grape grave grill groove guitar gutter hallway hammer hammock handbag handle "
    "hanger harbour harp harvest hat hatch hawk hedge heel helmet hill hinge hive hook horn horse hose hospital hotel "
    "house icicle igloo inch index inlet insect iron island jacket jar jaw jewel jigsaw journal jug jungle kennel "
    "kettle key keyboard kitchen kite kitten knee knob knot lace ladder lake lamp lantern laptop lawn leash lecture "
    "ledge lemon lens lesson letter lever lid lighthouse lily limb limousine line lion lizard loan lobster lock "
    "locket log loom lotion lump lunch machine magazine magnet mailbox mall mango mantle manual map marble market "
    "mask mast match mattress meadow meal medal melon memory menu message meteor meter microphone mill mineral mirror "
    "missile mitten model monument moon mop morsel mosaic motor mountain mug mural muscle museum mushroom nail napkin "
    "necklace needle nest net nickel noodle notebook nut oar oath obstacle ocean octopus office olive onion orange "
    "orbit orchard orchestra organ ornament oven owl oyster packet paddle page painting palace palm pan pancake panel "
    "panther paper parachute parade parcel park parrot passage passport pasture patch path pavement peach peacock "
    "peanut pear pearl pebble pedal pencil penguin pepper petal phone photograph piano pickle picture pier pigeon "
    "pillar pillow pin pine pipe pistol piston pizza plank planet plant plaster plate platform plaza plow plug pocket "
    "poem pole pond pool porch portrait poster pot pouch powder prison prize propeller puddle pump pumpkin puppet "
    "purse puzzle pyramid quarry quilt rabbit racket radar radiator radio radish raft railing rainbow raincoat ramp "
    "ranch raven razor receipt record reef relic report reservoir restaurant ribbon rifle ring ripple river road "
    "robin robot rock rocket roof room root rope rose ruby rudder rug ruler saddle sail salad sandal sandwich satchel "
    "satellite sauce saucer sausage saxophone scale scar scarecrow school scooter score scratch screen screw scroll "
    "sculpture seal seat seed shadow shampoo shawl shed shell shelter shield ship shirt shop shovel shower shrub "
    "shutter sidewalk signal sink skate skeleton sketch skirt slab sled sleeve slipper slope smile snail snake "
    "snowball sock sofa song soup spaceship spark spear sphere spice spider spire sponge spoon spring square squirrel "
    "stable stadium staircase stamp star statue steak stem step stick stocking stone stool stopper store story stove "
    "straw stream street string stump submarine suitcase sundial sunset swamp sweater swing sword syrup table tablet "
    "tail tank tape target taxi teapot telegram telescope temple tent terrace theatre thermometer thimble thorn "
    "thread throne thumb ticket tiger tile timber tire toast toaster tomb tongue tool torch towel tower town toy "
    "track tractor trail train trampoline trap tray treasure tree trench triangle trombone trophy truck trumpet trunk "
    "tube tulip tunnel turban turkey turnip turtle umbrella uniform valley van vase vault vehicle veil velvet vest "
    "village vine violin wagon waist wall wallet walnut wand wardrobe warehouse wave weapon web wheel whip whistle "
    "wick widget wig willow window wing wire wizard workshop worm wreath wreck wrench wrinkle yacht yard zebra zipper"
)
PEOPLE = _words(
    "accountant actor admiral agent ambassador apprentice archer architect artist astronomer athlete aunt author "
    "baker banker barber bishop boxer brother builder butcher butler captain carpenter cashier chemist clerk climber "
    "clown coach cook courier cousin customer dancer daughter dentist designer detective director diver doctor driver "
    "economist editor emperor engineer explorer farmer father fiddler fighter gardener general goalkeeper governor "
    "grocer guard guest guide hairdresser hero historian hunter inspector inventor janitor jeweller jockey journalist "
    "judge juggler king landlord lawyer lecturer librarian lieutenant magician manager mayor mechanic merchant miner "
    "minister monk mother musician neighbour nephew niece novelist nurse officer painter passenger patient pharmacist "
    "philosopher photographer pianist pilot plumber poet porter president priest prince princess professor programmer "
    "prophet queen rancher receptionist reporter sailor scholar scientist sculptor secretary senator sergeant servant "
    "shepherd sheriff singer sister soldier student surgeon surveyor tailor teacher tourist trader traveller tutor "
    "uncle violinist visitor waiter warrior weaver witness writer"
)
ADJECTIVES = _words(
    "abandoned amber ancient angular antique artificial awful bare beautiful bent bitter blank blue bold brave brief "
    "bright brilliant brittle broad broken bronze brown calm careless charming cheap cheerful clean clever clumsy "
    "coarse cold colossal comfortable common complete complex cool costly crimson crisp crooked crowded cruel curious "
    "curly damp dangerous dark dear decent deep delicate delicious dense different dim dirty distant double dry dull "
    "dusty eager early elaborate electric elegant empty enormous exact excellent exotic expensive faded faint fair "
    "faithful false famous fancy fashionable fatal favourite fearless fierce filthy fine firm flat flexible foggy "
    "foolish foreign forgotten fortunate fragile fragrant free fresh friendly frozen full funny fuzzy generous gentle "
    "genuine gigantic glorious golden graceful grand grave great greedy green grey grim handsome handy happy hard "
    "harmless harsh hasty heavy helpful hidden high hollow honest horrible huge humble hungry ideal idle immense "
    "important impressive innocent invisible ivory jealous jolly juicy keen kind large late lavish lazy lean light "
    "likely little lively local lonely long loose loud lovely loyal lucky magic magnificent majestic marvellous "
    "massive mean mellow messy mighty mild miserable misty modern modest moist muddy mute mysterious narrow nasty "
    "neat nervous new nice noble noisy normal numb obvious odd old open orange ordinary ornate pale patient peaceful "
    "peculiar perfect plain pleasant polite poor popular powerful precious pretty private proud public pure purple "
    "quaint queer quick quiet ragged rapid rare raw ready real red regular remarkable remote rich rigid ripe rotten "
    "rough round rude rural rusty sacred sad safe salty scarce scarlet secret sensible separate serious severe shabby "
    "shallow sharp shiny short shy silent silky silly silver simple sincere sleepy slender slight slim slippery slow "
    "small smart smooth soft solid solitary sour spare special spicy splendid spotless square stale steady steep "
    "sticky stiff strange strict striped strong stubborn stupid sturdy sudden sunny superb sweet swift tall tame "
    "tasty tender terrible thick thin thirsty thorough tidy tight tiny tired total tough tragic transparent tricky "
    "tropical ugly unusual upright urban useful useless vacant vague valuable vast velvet vertical vicious violet "
    "violent vivid warm wasteful weak wealthy weary weird wet white whole wicked wide wild wise wonderful wooden "
    "worthy wounded yellow young"
)
VERBS = _words(
    "accept admire adore advertise alter analyse announce answer arrange assemble attach attack auction avoid bake "
    "balance believe bless boil borrow bounce bury calculate capture carry carve change charge chase clean climb "
    "close collect colour compare complain complete conceal confuse consider construct copy correct count cover crash "
    "create cross crush damage decorate defend deliver deserve design destroy detect develop discover discuss display "
    "divide drain dress earn empty enjoy enter examine exchange exhibit expand expect explain explore fasten file "
    "fill finish fix fold follow frame gather glue grease guard handle heat ignore imagine improve include inform "
    "inspect invent invite iron judge kick launch lift list load lock lower mark measure melt mend mention move name "
    "notice obey observe offer open order organise own pack paint park pass paste peel photograph pick place plant "
    "play point polish post pour praise prepare present preserve press print produce promise protect pull punish "
    "purchase push question raise reach receive recognise record reduce refuse remember remove rent repair repeat "
    "replace report request rescue return reveal rinse roast ruin sample save scatter scrape scratch seal search "
    "select serve share sharpen shift sign sketch smash solve sort spoil squeeze stack stain store stretch study "
    "support surround suspect switch taste test touch toss trace trade treasure trust turn twist unload use value "
    "visit warm wash waste watch water weigh welcome wipe witness"
)
MOVES = _words(
    "walk hurry wander sail return climb march drift move stumble stroll race dash gallop crawl limp skate parade "
    "glide float rush head retreat advance pedal roam sneak row"
)
ADVERBS = _words(
    "absolutely accidentally actively almost always angrily anxiously apparently awkwardly badly barely blindly "
    "boldly bravely briefly brightly calmly carefully carelessly casually certainly cheerfully clearly cleverly "
    "completely constantly correctly cruelly deliberately desperately eagerly easily elegantly eventually evidently "
    "exactly faithfully finally foolishly formally fortunately frankly frequently generally generously gently gladly "
    "gracefully gradually gratefully greedily happily hardly hastily honestly hopefully hungrily immediately "
    "innocently instantly joyfully kindly lazily legally lightly loosely loudly loyally merely merrily naturally "
    "nearly neatly nervously never normally obviously occasionally officially often openly partly patiently "
    "peacefully perfectly personally politely possibly practically presumably probably promptly properly proudly "
    "publicly quickly quietly rapidly rarely really recently regularly reluctantly repeatedly sadly safely secretly "
    "seldom seriously sharply shyly silently simply skilfully slowly smoothly softly solemnly sometimes soon "
    "strangely suddenly surely swiftly tenderly thoroughly tightly truly truthfully unexpectedly usually vaguely "
    "warmly weakly wearily wildly willingly wisely"
)
NAMES = _words(
    "Adam Agnes Alan Albert Alice Amanda Amelia Andrew Anna Anthony Arnold Arthur Barbara Beatrice Benjamin Bernard "
    "Bertha Betty Brenda Bruce Carl Carla Caroline Catherine Cecilia Charles Charlotte Christine Clara Claude Conrad "
    "Daniel David Deborah Dennis Diana Dominic Donald Dorothy Douglas Edgar Edith Edward Eleanor Elizabeth Ellen "
    "Emily Emma Eric Ernest Esther Eugene Evelyn Felix Fiona Florence Frances Frank Frederick George Gerald Gertrude "
    "Gilbert Gloria Gordon Grace Greta Gregory Hannah Harold Harriet Harry Hector Helen Henry Herbert Hilda Howard "
    "Hubert Hugo Ian Irene Isaac Isabel Ivan Jacob James Janet Jason Jennifer Jeremy Jessica Joan John Jonathan "
    "Joseph Joyce Judith Julia Julian Karen Kenneth Laura Lawrence Leonard Lewis Lillian Linda Louis Lucas Lucy Lydia "
    "Marcus Margaret Maria Marion Mark Martha Martin Mary Matilda Matthew Maxwell Melissa Michael Mildred Miriam "
    "Monica Nadia Nancy Natalie Nathan Nicholas Nigel Nora Norman Oliver Olivia Oscar Pamela Patricia Patrick Paul "
    "Peter Philip Phyllis Rachel Ralph Raymond Rebecca Richard Robert Roger Roland Rosa Rosemary Rupert Ruth Samuel "
    "Sandra Sarah Sebastian Sheila Simon Sophie Stanley Stella Stephen Stuart Susan Sylvia Teresa Theodore Thomas "
    "Timothy Ursula Valerie Vera Victor Victoria Vincent Violet Virginia Vivian Walter Wendy Wilfred William Winston"
)
TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
SMALL_NUMBERS = _words(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
PLACES = _phrases(
    "harbour|old mill|railway station|village square|northern road|open field|town hall|river bank|upper floor|long "
    "corridor|quiet valley|crowded market|stone bridge|little shop|empty theatre|far shore|kitchen door|edge of the "
    "woods|corner of the street|back of the garden|public library|post office|city gate|football ground|swimming "
    "pool|eastern wall|fire station|top of the hill|bottom of the lake|foot of the mountain|law court|bus "
    "stop|botanical garden|main entrance|side street|coffee house|butcher's shop|vegetable market|police "
    "station|summer house|island of the monks|mouth of the river|middle of the desert|other end of town|ship "
    "yard|chemistry lab|lecture room|waiting room|hotel lobby|dining hall|roof terrace|power plant|border "
    "crossing|royal palace|toll booth|parking garage|concert hall|art gallery|hospital ward|southern coast|mountain "
    "pass|fishing village|wine cellar|barber's shop|tram depot|airport"
)
TIMES = _phrases(
    "yesterday|this morning|before the winter|late in the evening|at seven o'clock|after the storm|on Tuesday|in the "
    "early spring|many years ago|during the holiday|just before lunch|towards the end of August|at midnight|once in a"
    " while|every other week|on the following day|last Thursday|in the middle of the night|before breakfast|an hour "
    "ago|the day before yesterday|in nineteen eighty|on Sunday afternoon|shortly after dawn|all through October|by "
    "half past ten|on a cold January day|between two meetings|at the very last minute|since Wednesday|in less than a "
    "week|for a whole month|around noon|at the weekend|as the sun went down|ten minutes later|during the second "
    "half|after the concert|on my birthday|long before the war|in late November|until the end of June"
)

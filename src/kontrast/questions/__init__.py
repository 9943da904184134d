"""What can be asked of runs, by the words of a command line, and asking it."""

from kontrast.questions.answered import answered as answered
from kontrast.questions.asked import EVERY as EVERY
from kontrast.questions.asked import Asked as Asked
from kontrast.questions.asked import asked as asked
from kontrast.questions.asked import families as families
from kontrast.questions.asked import usual as usual
from kontrast.questions.where import Where as Where
from kontrast.questions.where import whereabouts as whereabouts

from typing import final

@final
class Layer: ...

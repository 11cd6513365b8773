import glob, numpy
from setuptools import setup, Extension, find_packages
from Cython.Build import cythonize
exts=[Extension(f[:-4].replace("/","."),[f],include_dirs=[numpy.get_include()],define_macros=[("NPY_NO_DEPRECATED_API","NPY_2_0_API_VERSION")],extra_compile_args=["-O3","-march=native","-fno-math-errno","-fno-trapping-math","-ffp-contract=off","-Wall","-Wno-unused-function","-Wno-unused-variable"]) for f in glob.glob("tinyrnn/**/*.pyx",recursive=True)]
setup(name="tinyrnn",version="0.1",packages=find_packages(),ext_modules=cythonize(exts,nthreads=2,compiler_directives=dict(language_level=3,cdivision=True,binding=True)))
